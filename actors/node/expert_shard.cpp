#include "actors/node/expert_shard.hpp"

#include "actors/core/errc.hpp"

namespace larql::actors {

expert_shard_state::expert_shard_state(pointer self, description_ptr description,
                                       compute_fn compute, std::shared_ptr<std::mutex> computing,
                                       expert_shard_actor helper)
    : self_(self),
      description_(std::move(description)),
      compute_(std::move(compute)),
      computing_(std::move(computing)),
      helper_(std::move(helper)) {
  if (helper_)
    self_->link_to(helper_);
}

expert_shard_state::handle::behavior_type expert_shard_state::make_behavior() {
  return {
      [this](run_atom, const received_call& call) { return on_run(call); },
      [this](describe_atom) { return description_; },
      [this](status_atom) { return status_; },
      [this](drain_atom) -> caf::result<void> {
        status_.draining = true; // calls are computed one by one, so none is left here
        if (helper_)
          return self_->delegate(helper_, drain_atom::value);
        return caf::unit;
      },
  };
}

caf::result<encoded_frame> expert_shard_state::on_run(const received_call& call) {
  if (status_.draining)
    return make_error(failure_code::draining, "the node is draining");
  if (call.is_abandoned())
    return make_error(failure_code::link_lost, "the laptop has gone");
  auto computing = std::unique_lock{*computing_, std::defer_lock};
  if (!helper_) {
    computing.lock();
  } else if (call.buffer->size() > short_call_bytes || !computing.try_lock()) {
    ++status_.served;
    return self_->delegate(helper_, run_atom::value, call);
  }
  auto frame = frames_.take();
  auto out = compute_(call, std::move(*frame));
  computing.unlock();
  *frame = std::move(out.frame);
  frames_.let_go_if_large(frame);
  ++status_.served;
  status_.failed += out.ok ? 0 : 1;
  // Not before: whoever computes may throw, and CAF then answers what no promise was made for.
  auto promise = self_->make_response_promise<encoded_frame>();
  deliver(self_, answers_, promise, encoded_frame{std::move(frame)});
  return promise;
}

} // namespace larql::actors

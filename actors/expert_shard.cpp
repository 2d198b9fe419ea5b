#include "actors/expert_shard.hpp"

#include "actors/errc.hpp"

namespace larql::actors {

expert_shard_state::expert_shard_state(pointer, description_ptr description, compute_fn compute)
    : description_(std::move(description)), compute_(std::move(compute)) {}

expert_shard_state::handle::behavior_type expert_shard_state::make_behavior() {
  return {
      [this](run_atom, std::uint64_t id, const payload& call) { return on_run(id, call); },
      [this](describe_atom) { return description_; },
      [this](status_atom) { return status_; },
      [this](drain_atom) {
        status_.draining = true; // calls are computed one by one, so none is left here
      },
      [](tick_atom) {},
  };
}

caf::result<payload> expert_shard_state::on_run(std::uint64_t, const payload& call) {
  if (status_.draining)
    return make_error(call_errc::draining, "the node is draining");
  if (call.is_abandoned())
    return make_error(call_errc::link_lost, "the laptop has gone");
  auto out = compute_(call);
  ++status_.served;
  status_.failed += out.ok ? 0 : 1;
  return frame_payload(std::move(out.frame));
}

} // namespace larql::actors

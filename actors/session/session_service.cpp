#include "actors/session/session_service.hpp"

#include "actors/session/disk_store.hpp"
#include "actors/session/session_actor.hpp"

#include "runtime/generate/prompt_file.hpp"

#include <future>

namespace larql::actors {

namespace {

/// Runs `f` on the pass thread and waits for what it gives.
template <class F>
auto on_pass_thread(pass_thread& passes, F f) {
  using outcome = std::invoke_result_t<F, scheduler&>;
  const auto promise = std::make_shared<std::promise<outcome>>();
  auto out = promise->get_future();
  passes.post([promise, f = std::move(f)](scheduler& s) { promise->set_value(f(s)); });
  return out.get();
}

} // namespace

struct session_service::parts {
  caf::actor_system& sys;
  session_options options;
  std::unique_ptr<disk_store> disk;
  const experts::maker_ledger* makers;
  std::shared_ptr<pass_thread> passes;
  session_actor actor;
};

session_service::session_service(std::unique_ptr<parts> p) : parts_(std::move(p)) {}

result<std::unique_ptr<session_service>>
session_service::start(caf::actor_system& sys, const gemma4::model& model, kernels::compute compute,
                       experts::expert_port& experts, const session_options& options) {
  auto p = std::unique_ptr<parts>{new parts{sys, options, nullptr, experts.makers(), nullptr, {}}};
  if (!options.disk.dir.empty()) {
    LARQL_TRY(p->disk, disk_store::open(options.disk, options.identity, options.kv,
                                        options.share_prefix, experts.makers()));
  }
  LARQL_TRY(auto work, scheduler::create({model, compute, experts, p->disk.get()}, options));
  auto* const scheduled = work.get();
  LARQL_TRY(p->passes,
            pass_thread::start(std::move(work), [pool = &compute.pool] { pool->rest(); }));
  auto actor_options =
      session_actor_options{options.limits, model.config, options.kv, options.chunk};
  p->actor = spawn_state<session_actor_state>(sys, p->passes, std::move(actor_options));
  // Nothing was posted yet that could end.
  p->passes->post([scheduled, actor = p->actor](scheduler&) {
    scheduled->on_ended = [actor](session_request_id id) {
      caf::anon_send(actor, ended_atom::value, id);
    };
  });
  return std::unique_ptr<session_service>{new session_service{std::move(p)}};
}

session_service::~session_service() {
  client().drain(std::chrono::milliseconds{0});
  parts_->passes->post([](scheduler& s) {
    s.save_all();
    s.on_ended = [](session_request_id) {}; // it holds the actor, which holds the thread
  });
  parts_->passes->end();
  caf::anon_send_exit(parts_->actor, caf::exit_reason::user_shutdown);
}

session_client session_service::client() const {
  return session_client{parts_->sys, parts_->actor};
}

const session_options& session_service::options() const noexcept {
  return parts_->options;
}

result<std::uint32_t> session_service::save_session(session_id session, std::uint32_t tokens,
                                                    const std::filesystem::path& file,
                                                    const cache_identity& identity) const {
  const auto kept = on_pass_thread(*parts_->passes, [session, tokens](scheduler& s) {
    return s.share_session(session, tokens);
  });
  if (!kept)
    return 0u;
  const auto* makers = parts_->makers;
  const auto incarnations =
      makers == nullptr ? std::vector<std::uint64_t>{} : makers->incarnations_of(kept->makers());
  const auto id = generate::prompt_file_id{prompt_model(identity, parts_->options.kv), {}};
  LARQL_TRY_VOID(generate::write_prompt_file(file, id, *kept, incarnations));
  return static_cast<std::uint32_t>(kept->tokens.size());
}

result<std::vector<std::uint32_t>>
session_service::load_session(session_id session, const std::filesystem::path& file,
                              const cache_identity& identity) const {
  LARQL_TRY(auto into,
            on_pass_thread(*parts_->passes, [](scheduler& s) { return s.new_sequence(); }));
  const auto id = generate::prompt_file_id{prompt_model(identity, parts_->options.kv), {}};
  LARQL_TRY_VOID(generate::read_prompt_file(file, id, *into, parts_->makers));
  auto tokens = std::vector<std::uint32_t>{into->tokens().begin(), into->tokens().end()};
  // A command can be copied, a sequence cannot.
  const auto filled = std::make_shared<std::unique_ptr<generate::sequence>>(std::move(into));
  parts_->passes->post(
      [session, filled](scheduler& s) { s.fill_session(session, std::move(*filled)); });
  return tokens;
}

} // namespace larql::actors

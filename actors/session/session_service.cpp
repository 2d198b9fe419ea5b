#include "actors/session/session_service.hpp"

#include "actors/session/disk_store.hpp"
#include "actors/session/session_actor.hpp"

namespace larql::actors {

struct session_service::parts {
  caf::actor_system& sys;
  session_options options;
  std::unique_ptr<disk_store> disk;
  std::shared_ptr<pass_thread> passes;
  session_actor actor;
};

session_service::session_service(std::unique_ptr<parts> p) : parts_(std::move(p)) {}

result<std::unique_ptr<session_service>>
session_service::start(caf::actor_system& sys, const gemma4::model& model, kernels::compute compute,
                       experts::expert_port& experts, const session_options& options) {
  auto p = std::unique_ptr<parts>{new parts{sys, options, nullptr, nullptr, {}}};
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

} // namespace larql::actors

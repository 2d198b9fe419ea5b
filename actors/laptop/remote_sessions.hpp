// Sessions at nodes, for a process that has prompts: what session_service.hpp is where the passes
// are computed here.
//
// Owner     Owns the actor and the threads that dial for it. Borrows the system, which outlives it.
// Threads   open() and destruction by one owner; clients by any thread.

#pragma once

#include "actors/laptop/remote_session.hpp"
#include "actors/session/session_provider.hpp"
#include "actors/session/session_service.hpp"

#include <memory>
#include <stop_token>

namespace larql::actors {

struct remote_sessions_options {
  std::vector<topology::shard_url> places; ///< nodes, best first
  topology::security protect;
  topology::deadlines limits;
  schema::model_identity model;
  schema::session_open identity;
  session_options sessions; ///< limits that hold here; the node may have lower ones
  /// Starts a session service of this process. Blocking; null: there is none.
  std::function<result<session_actor>()> own;
  std::function<void(const std::string&)> on_news = [](const std::string&) {};
};

class remote_sessions final : public session_provider {
public:
  /// Opens a session at the first place that takes one. Fails with `unavailable`, and what each
  /// place said, if none does; with `cancelled` soon after `stop`. Blocking.
  [[nodiscard]] static result<std::unique_ptr<remote_sessions>>
  open(caf::actor_system& sys, remote_sessions_options options, const std::stop_token& stop = {});
  ~remote_sessions() override;

  [[nodiscard]] session_client client() const override;
  [[nodiscard]] const session_options& options() const noexcept override { return options_; }
  /// Keys and values are at the node.
  [[nodiscard]] result<std::uint32_t> save_session(session_id, std::uint32_t,
                                                   const std::filesystem::path&,
                                                   const cache_identity&) const override {
    return 0u;
  }
  [[nodiscard]] result<std::vector<std::uint32_t>>
  load_session(session_id, const std::filesystem::path&, const cache_identity&) const override {
    return std::vector<std::uint32_t>{};
  }

private:
  class dialler;

  explicit remote_sessions(caf::actor_system& sys) : sys_(sys) {}
  [[nodiscard]] result<void> wait_for_place(const std::stop_token& stop);

  caf::actor_system& sys_;
  session_options options_;
  std::shared_ptr<dialler> dialler_;
  remote_session_actor actor_;
};

} // namespace larql::actors

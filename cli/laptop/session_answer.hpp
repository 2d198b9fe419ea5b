// Asks the session service and hears it out: what its pass thread tells comes in the caller's
// thread, so that a slow terminal never holds up a pass.

#pragma once

#include "actors/session/session_client.hpp"

#include <functional>
#include <stop_token>

namespace larql::cli {

/// What a request of one answer came to.
struct session_outcome {
  actors::answer_end end;
  /// Nothing was admitted: the service holds nothing of the request.
  bool refused = false;

  /// The failure, if there was one.
  [[nodiscard]] result<void> done() const;
};

/// Called in the caller's thread.
struct answer_listener {
  std::function<void(const generate::generation::step_result&)> on_step;
  /// How much of the prompt the session has, now and then while it is read.
  std::function<void(const actors::prompt_progress&)> on_read;
  /// Several times a second while nothing comes. May be empty.
  std::function<void()> on_wait = {};
};

/// Waits for the end of the answer. When `stop` is requested the answer is cancelled, which is no
/// failure: it ends with reason `stopped`. @pre the request wants one answer
[[nodiscard]] session_outcome ask(const actors::session_client& client,
                                  actors::session_request request, const answer_listener& listener,
                                  const std::stop_token& stop);

} // namespace larql::cli

// Whether a request may come in, or which bound it would exceed.
//
// Threads   Pure functions.

#pragma once

#include "actors/session/limits.hpp"
#include "actors/session/request.hpp"

#include <chrono>
#include <optional>

namespace larql::actors {

/// What the service has when a request comes.
struct admission_state {
  std::uint32_t open_answers = 0; ///< admitted, and not ended
  std::uint32_t sessions = 0;
  bool ending = false;
  std::chrono::duration<double> usual_answer{1}; ///< how long answers take, queue included
};

/// What a model allows.
struct admission_model {
  std::uint32_t vocab = 0;
  std::uint64_t prompt_bytes = 0; ///< keys and values of this request's prompt
};

[[nodiscard]] std::optional<refusal> refuse_request(const session_request& r,
                                                    const session_limits& limits,
                                                    const admission_state& state,
                                                    const admission_model& model);

[[nodiscard]] std::optional<refusal> refuse_session(const session_limits& limits,
                                                    const admission_state& state);

} // namespace larql::actors

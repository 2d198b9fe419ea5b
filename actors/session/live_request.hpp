// A request while it is answered: what the service's actor, the pass thread and its scheduler know
// of it.

#pragma once

#include "actors/session/session_call.hpp"
#include "runtime/generate/prefix_cache.hpp"
#include "runtime/speculation/speculator.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

namespace larql::actors {

using session_clock = std::chrono::steady_clock;

/// Threads   `stop` and `paused` by the actor, at any time; everything else by the pass thread.
struct live_request {
  session_request_id id = 0;
  session_call call;
  session_clock::time_point admitted;
  std::stop_source stop;
  std::atomic<bool> paused{false};

  std::vector<std::uint32_t> prompt; ///< the whole one: behind the session's tokens
  std::uint32_t answers_left = 0;    ///< that have not ended
  bool tried_disk = false;           ///< the prompt was looked for there
  bool forgets = false;              ///< nothing of it is kept
};
using live_request_ptr = std::shared_ptr<live_request>;

/// One answer of a request, or the reading of a prompt that wants none.
struct live_answer {
  live_request_ptr request;
  std::uint32_t choice = 0;
  std::uint32_t client = 0; ///< its place in the client_table
  std::uint64_t order = 0;  ///< counts answers as they began

  /// What the sequence is to hold; it is behind by what was not read yet.
  std::vector<std::uint32_t> tokens;
  std::unique_ptr<generate::sequence> sequence; ///< null: it made room for others
  generate::prefix_parent parent;
  std::optional<generate::generation> generation; ///< none: only the prompt is read
  speculation::answer_drafts drafts; ///< of the pass that is planned, or of the last one
  /// Further answers of the request, which begin when the prompt is read.
  std::vector<std::unique_ptr<live_answer>> siblings;

  std::uint32_t prompt_tokens = 0;
  std::uint32_t cached_tokens = 0;
  std::uint32_t in_passes = 0;     ///< tokens that running passes read
  std::uint32_t passes = 0;        ///< running ones that it is in
  const void* last_lane = nullptr; ///< of its last pass
  bool reading = true;             ///< more than the token that was chosen last is to be read
  bool prompt_read = false;        ///< once; what is read later was read before
  bool alone = false; ///< a pass with it has failed; whose fault it was shows when it is alone
  bool ended = false;
  std::optional<failure> failed;   ///< ends with this as soon as no pass has it
  std::uint64_t condemnations = 0; ///< that its sequence was looked at for

  session_clock::time_point begun, last_token;
  std::uint64_t layers_before = 0; ///< executor::layer_times().added() when it began
  std::optional<session_clock::time_point> first_token;
  generate::answer_stats stats;

  /// Its last pass has tried drafts behind the token that was chosen last.
  [[nodiscard]] bool has_tried_drafts() const noexcept {
    return sequence != nullptr && sequence->drafts() != 0 && unread() == 1;
  }
  /// Tokens that are neither in the sequence nor in a running pass.
  [[nodiscard]] std::uint32_t unread() const noexcept {
    const auto read = sequence == nullptr ? 0 : sequence->size();
    return static_cast<std::uint32_t>(tokens.size()) - read - in_passes;
  }
  [[nodiscard]] bool is_stopped() const noexcept { return request->stop.stop_requested(); }
  [[nodiscard]] bool is_paused() const noexcept {
    return request->paused.load(std::memory_order_relaxed);
  }
};

} // namespace larql::actors

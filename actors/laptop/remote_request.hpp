// One request whose answers are computed elsewhere, as the laptop knows it: what was asked, what
// was given of each answer, and what is to be asked for it at the next place. No actors, no
// network.
//
// An answer goes on anywhere from what is here: the tokens of prompt and answer, and a generation
// with the same options, index and place in its rules.
//
// Owner     The remote session.
// Failure   What makes no sense (a token behind the end, another text for the same tokens) is
//           errc::corrupt: the place is wrong, the request is as it was.
// Memory    Tokens are overwritten at the end.
// Threads   Plain state.

#pragma once

#include "actors/session/placed_form.hpp"
#include "actors/session/session_call.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <vector>

namespace larql::actors {

class remote_request {
public:
  using time = std::chrono::steady_clock::time_point;

  /// `tokens` is the whole prompt.
  remote_request(session_request_id id, session_call call, std::vector<std::uint32_t> tokens,
                 time now);
  ~remote_request();
  remote_request(remote_request&&) = default;

  [[nodiscard]] session_request_id id() const noexcept { return id_; }
  [[nodiscard]] const session_request& asked() const noexcept { return call_.request; }
  /// Answers, 1 if only the prompt is read, that have not ended.
  [[nodiscard]] std::uint32_t open() const noexcept { return open_; }
  [[nodiscard]] const std::vector<std::uint32_t>& prompt() const noexcept { return prompt_; }
  /// Prompt and first answer.
  [[nodiscard]] std::vector<std::uint32_t> text() const;
  /// Tokens that another place has to read before it can go on.
  [[nodiscard]] std::uint64_t tokens_to_read() const;

  /// What to ask of a place, each under its own number: one request, or one for each answer that
  /// something was given of. The numbers before mean nothing from then on.
  [[nodiscard]] std::vector<schema::session_ask> orders(std::uint64_t& next_number);
  /// The same for a session service of this process.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, session_request>>
  requests(std::uint64_t& next_number);
  /// Whether a number of orders() or requests() is this request's.
  [[nodiscard]] bool has(std::uint64_t number) const { return parts_.contains(number); }
  [[nodiscard]] std::vector<std::uint64_t> numbers() const;

  /// An event of a part; tells the client. errc::corrupt changes nothing.
  [[nodiscard]] result<void> take(std::uint64_t number, schema::session_event event, time now);

  /// Ends the answers that need nothing more: their last token came, their end did not.
  void settle(time now);

  /// Ends what is open, with this failure or, without one, as stopped.
  void end(const std::optional<failure>& why, time now);

  /// Its client hears nothing more.
  void silence() { call_.on_event = {}; }
  void pause(time now);
  void resume();
  [[nodiscard]] const std::optional<time>& paused_since() const noexcept { return paused_since_; }

  bool cancelled = false;
  bool admitted = false; ///< and its client knows

private:
  struct answer {
    std::optional<schema::session_answer> form; ///< none: the prompt is only read
    std::optional<generate::generation> generation;
    std::vector<std::uint32_t> given;
    generate::answer_stats stats;
    std::optional<time> first_token;
    time last_token;
    bool ended = false;
  };

  [[nodiscard]] result<void> take_step(std::uint32_t choice, schema::session_step step, time now);
  [[nodiscard]] result<std::uint32_t> choice_of(std::uint64_t number, std::uint32_t choice) const;
  [[nodiscard]] std::vector<std::vector<std::uint32_t>> split() const;
  void finish(std::uint32_t choice, answer_end e, time now);
  void tell(session_event e);

  session_request_id id_;
  session_call call_;
  std::vector<std::uint32_t> prompt_;
  std::vector<answer> answers_;
  std::map<std::uint64_t, std::vector<std::uint32_t>> parts_; ///< choices, by number
  std::uint32_t open_ = 0;
  time begun_;
  std::optional<time> paused_since_;
  std::vector<session_event> held_; ///< while it is paused
  std::uint32_t cached_ = 0;        ///< of the prompt, where it was read first
  std::uint32_t total_ = 0;         ///< that is read now
};

} // namespace larql::actors

// A whole answer, put together from its events: what a request without streaming is answered with.
//
// Owner     A value.
// Threads   One.

#pragma once

#include "cli/serve/api/completion_event.hpp"
#include "cli/serve/api/completion_request.hpp"

#include <optional>
#include <string>
#include <vector>

namespace larql::serve {

struct choice_result {
  std::string content;
  std::string reasoning;
  /// Ids, names and the text of the arguments.
  struct call {
    std::string id;
    std::string name;
    std::string arguments; ///< JSON text; may be cut where the answer was
  };
  std::vector<call> calls;
  std::vector<token_logprobs> logprobs;
  finish_reason reason = finish_reason::stop;
  std::string stop_text;
};

class completion_result {
public:
  void add(const completion_event& event);

  /// The last event has come.
  [[nodiscard]] bool ended() const noexcept { return end_.has_value() || error_.has_value(); }
  [[nodiscard]] const std::optional<api_error>& error() const noexcept { return error_; }
  [[nodiscard]] const std::vector<choice_result>& choices() const noexcept { return choices_; }
  /// Zeros before the end.
  [[nodiscard]] completion_end end() const { return end_.value_or(completion_end{}); }

private:
  [[nodiscard]] choice_result& choice(std::uint32_t index);
  [[nodiscard]] choice_result::call& call(std::uint32_t choice_index, std::uint32_t index);

  std::vector<choice_result> choices_;
  std::optional<completion_end> end_;
  std::optional<api_error> error_;
};

/// The arguments of a call as an object; empty if their text is none, because the answer was cut.
[[nodiscard]] ordered_json arguments_object(const std::string& json);

} // namespace larql::serve

// Reads the stream of a chat completion: events of a server in the pieces in which they arrive.
// Comments of `larql serve` tell how much of a prompt is read, `timings` what an answer took.
//
// Errors    A line beyond 16 MB and JSON that is none end the stream.
// Threads   Plain values.
// Source    docs/serve.md; the event stream format of the HTML standard.

#pragma once

#include "cli/laptop/chat/turn_numbers.hpp"
#include "runtime/base/result.hpp"
#include "runtime/text/output_reader.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace larql::cli {

/// So many tokens of the prompt have been read.
struct server_progress {
  std::size_t read = 0;
  std::size_t total = 0;
};
using server_event = std::variant<server_progress, text::output_event>;

/// What a server says about an error, and whether it is the length of the prompt.
struct server_error {
  std::string text;
  bool too_long = false;
};
/// Of a body that holds an error; nothing if it holds none.
[[nodiscard]] std::optional<server_error> read_server_error(std::string_view body);

class server_stream {
public:
  /// What is certain with these bytes.
  [[nodiscard]] result<std::vector<server_event>> add(std::string_view bytes);

  /// The stream came to its end: [DONE], or an error of the server.
  [[nodiscard]] bool is_done() const noexcept { return done_; }
  [[nodiscard]] const std::optional<server_error>& error() const noexcept { return error_; }
  /// "stop", "length"; empty: none was told.
  [[nodiscard]] const std::string& finish() const noexcept { return finish_; }
  [[nodiscard]] const turn_numbers& numbers() const noexcept { return numbers_; }

private:
  [[nodiscard]] result<void> take_line(std::string_view line, std::vector<server_event>& out);
  [[nodiscard]] result<void> take_data(std::string_view data, std::vector<server_event>& out);

  std::string line_;
  bool done_ = false;
  std::optional<server_error> error_;
  std::string finish_;
  turn_numbers numbers_;
};

} // namespace larql::cli

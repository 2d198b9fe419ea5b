// Turns the arguments of a tool call, as Gemma 4 writes them, into JSON: piece by piece.
//
//   city:<|"|>Rome<|"|>,days:[1,2],exact:true}     behind "call:weather{"
//   {"city":"Rome","days":[1,2],"exact":true}
//
// Whatever comes, what was given out and what close() adds is one valid JSON object: a bare word
// becomes a string, None becomes null, strings in "" are read as JSON's, a missing value is null,
// any bracket closes the innermost.
//
// Owner     A value.
// Errors    None.

#pragma once

#include "runtime/text/utf8.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace larql::text {

class call_arguments {
public:
  /// Levels; brackets beyond are text.
  static constexpr std::size_t max_depth = 60;

  /// Begins anew, behind the first "{".
  void begin(std::string& out);
  /// Text between control tokens.
  void append(std::string_view text, std::string& out);
  /// The control token <|"|>.
  void quote(std::string& out);
  /// The call has ended: adds what is missing.
  void close(std::string& out);

  /// The object is whole.
  [[nodiscard]] bool done() const noexcept { return open_.empty(); }

  friend bool operator==(const call_arguments&, const call_arguments&) = default;

private:
  enum class state : std::uint8_t {
    key,         ///< or the end of the object
    bare_key,    ///< held_ is its begin
    colon,       ///< behind a key in quotes
    value,       ///< or the end of the array
    bare_value,  ///< held_ is its begin
    string,      ///< between <|"|> and <|"|>
    json_string, ///< between " and "
    after        ///< behind a value
  };

  void on(char c, std::string& out);
  void on_key(char c, std::string& out);
  void on_value(char c, std::string& out);
  void on_json_string(char c, std::string& out);
  void escape(std::string& out);
  void open(char kind, std::string& out);
  void close_innermost(std::string& out);
  void separate(std::string& out);
  void end_bare_key(std::string& out);
  void end_bare_value(std::string& out);
  void begin_string(state kind, bool is_key, std::string& out);
  void end_string(std::string& out);
  void characters(std::string_view text, std::string& out);
  void drop_surrogate(std::string& out);
  void write_unit(std::uint32_t unit, std::string& out);
  [[nodiscard]] bool in_object() const noexcept;

  std::string open_; // 'o' and 'a', the innermost last; 'O' and 'A' once they have something
  state state_ = state::key;
  bool is_key_ = false;    // the string that is read is a key
  std::string held_;       // of a bare word, or of an escape in ""
  std::uint32_t high_ = 0; // a high surrogate that waits for its low one
  utf8_repair repair_;     // of the string that is read
};

} // namespace larql::text

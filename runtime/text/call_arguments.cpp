#include "runtime/text/call_arguments.hpp"

#include "runtime/text/trim.hpp"

#include <fmt/format.h>

#include <cctype>
#include <utility>

namespace larql::text {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// Takes digits; whether there were any.
bool take_digits(std::string_view& text) {
  auto n = std::size_t{0};
  while (n < text.size() && is_digit(text[n]))
    ++n;
  text.remove_prefix(n);
  return n > 0;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text[0]) == std::string_view::npos)
    return false;
  text.remove_prefix(1);
  return true;
}

// A number as JSON wants it.
bool is_number(std::string_view text) {
  take(text, "-");
  if (!take(text, "0") && !take_digits(text))
    return false;
  if (take(text, ".") && !take_digits(text))
    return false;
  if (take(text, "eE")) {
    take(text, "+-");
    if (!take_digits(text))
      return false;
  }
  return text.empty();
}

void write_escaped(std::string_view valid_utf8, std::string& out) {
  for (const auto c : valid_utf8) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
}

void write_string(std::string_view text, std::string& out) {
  auto valid = std::string{};
  auto repair = utf8_repair{};
  repair.append(text, valid);
  repair.flush(valid);
  out += '"';
  write_escaped(valid, out);
  out += '"';
}

std::string utf8_of(std::uint32_t scalar) {
  auto out = std::string{};
  const auto byte = [&](std::uint32_t b) { out += static_cast<char>(b); };
  if (scalar < 0x80) {
    byte(scalar);
  } else if (scalar < 0x800) {
    byte(0xc0 | scalar >> 6);
    byte(0x80 | (scalar & 0x3f));
  } else if (scalar < 0x10000) {
    byte(0xe0 | scalar >> 12);
    byte(0x80 | (scalar >> 6 & 0x3f));
    byte(0x80 | (scalar & 0x3f));
  } else {
    byte(0xf0 | scalar >> 18);
    byte(0x80 | (scalar >> 12 & 0x3f));
    byte(0x80 | (scalar >> 6 & 0x3f));
    byte(0x80 | (scalar & 0x3f));
  }
  return out;
}

} // namespace

// ---- brackets and commas ------------------------------------------------------------------------

bool call_arguments::in_object() const noexcept {
  return !open_.empty() && (open_.back() == 'o' || open_.back() == 'O');
}

void call_arguments::open(char kind, std::string& out) {
  open_ += kind;
  out += kind == 'o' ? '{' : '[';
  state_ = kind == 'o' ? state::key : state::value;
}

void call_arguments::close_innermost(std::string& out) {
  out += in_object() ? '}' : ']';
  open_.pop_back();
  state_ = state::after;
}

// A comma, if something stands before.
void call_arguments::separate(std::string& out) {
  auto& kind = open_.back();
  if (kind == 'O' || kind == 'A')
    out += ',';
  kind = kind == 'o' || kind == 'O' ? 'O' : 'A';
}

// ---- words and strings --------------------------------------------------------------------------

void call_arguments::end_bare_key(std::string& out) {
  separate(out);
  write_string(trim(held_), out);
  out += ':';
  held_.clear();
  state_ = state::value;
}

void call_arguments::end_bare_value(std::string& out) {
  const auto word = trim(held_);
  if (word == "None" || word == "null")
    out += "null";
  else if (word == "true" || word == "True")
    out += "true";
  else if (word == "false" || word == "False")
    out += "false";
  else if (is_number(word))
    out += word;
  else
    write_string(word, out);
  held_.clear();
  state_ = state::after;
}

void call_arguments::begin_string(state kind, bool is_key, std::string& out) {
  if (is_key || !in_object())
    separate(out);
  is_key_ = is_key;
  out += '"';
  state_ = kind;
}

void call_arguments::end_string(std::string& out) {
  drop_surrogate(out);
  held_.clear();
  auto rest = std::string{};
  repair_.flush(rest);
  out += rest;
  out += is_key_ ? "\":" : "\"";
  state_ = is_key_ ? state::colon : state::after;
}

void call_arguments::characters(std::string_view text, std::string& out) {
  auto valid = std::string{};
  repair_.append(text, valid);
  write_escaped(valid, out);
}

// A high surrogate without its low one.
void call_arguments::drop_surrogate(std::string& out) {
  if (std::exchange(high_, 0) != 0)
    characters(replacement_character, out);
}

// A UTF-16 unit of an escape.
void call_arguments::write_unit(std::uint32_t unit, std::string& out) {
  const auto is_low = unit >= 0xdc00 && unit <= 0xdfff;
  if (high_ != 0 && is_low) {
    characters(utf8_of(0x10000 + ((high_ - 0xd800) << 10) + (unit - 0xdc00)), out);
    high_ = 0;
    return;
  }
  drop_surrogate(out);
  high_ = unit >= 0xd800 && unit <= 0xdbff ? unit : 0;
  if (high_ == 0)
    characters(is_low ? std::string{replacement_character} : utf8_of(unit), out);
}

// held_ begins with a backslash: writes what it means once that is known.
void call_arguments::escape(std::string& out) {
  const auto c = held_[1];
  if (c == 'u') {
    if (held_.size() > 2 && std::isxdigit(static_cast<unsigned char>(held_.back())) == 0) {
      const auto last = held_.back(); // not an escape after all
      held_.pop_back();
      drop_surrogate(out);
      const auto text = std::exchange(held_, {});
      characters(text, out);
      on_json_string(last, out);
      return;
    }
    if (held_.size() < 6)
      return;
    const auto unit = static_cast<std::uint32_t>(std::stoul(held_.substr(2), nullptr, 16));
    held_.clear();
    write_unit(unit, out);
    return;
  }
  drop_surrogate(out);
  constexpr auto names = std::string_view{"nrtbf\"\\/"};
  constexpr auto meanings = std::string_view{"\n\r\t\b\f\"\\/"};
  const auto at = names.find(c);
  const auto text = std::exchange(held_, {});
  characters(at == std::string_view::npos ? std::string_view{text} : meanings.substr(at, 1), out);
}

void call_arguments::on_json_string(char c, std::string& out) {
  if (!held_.empty()) {
    held_ += c;
    return escape(out);
  }
  if (c == '\\') {
    held_ = c;
    return;
  }
  drop_surrogate(out);
  if (c == '"')
    end_string(out);
  else
    characters({&c, 1}, out);
}

// ---- structure ----------------------------------------------------------------------------------

void call_arguments::on_key(char c, std::string& out) {
  if (is_space(c) || c == ',')
    return;
  if (c == '}' || c == ']')
    return close_innermost(out);
  if (c == '"')
    return begin_string(state::json_string, true, out);
  if (c == ':')
    return end_bare_key(out);
  held_ = c;
  state_ = state::bare_key;
}

void call_arguments::on_value(char c, std::string& out) {
  if (is_space(c))
    return;
  const auto object = in_object();
  if (c == ',' && !object)
    return; // a comma more is nothing
  if (c == '}' || c == ']' || c == ',') {
    if (object)
      out += "null";
    state_ = state::after;
    return on(c, out);
  }
  if (c == '"')
    return begin_string(state::json_string, false, out);
  if (!object)
    separate(out);
  if ((c == '{' || c == '[') && open_.size() < max_depth)
    return open(c == '{' ? 'o' : 'a', out);
  held_ = c;
  state_ = state::bare_value;
}

void call_arguments::on(char c, std::string& out) {
  if (done())
    return;
  const auto ends = c == ',' || c == '}' || c == ']';
  switch (state_) {
  case state::key: return on_key(c, out);
  case state::bare_key:
    if (c == ':')
      return end_bare_key(out);
    if (ends) { // a key without a value
      end_bare_key(out);
      return on_value(c, out);
    }
    held_ += c;
    return;
  case state::colon:
    if (is_space(c))
      return;
    state_ = state::value;
    return c == ':' ? void() : on_value(c, out);
  case state::value: return on_value(c, out);
  case state::bare_value:
    if (ends) {
      end_bare_value(out);
      return on(c, out);
    }
    held_ += c;
    return;
  case state::string: return characters({&c, 1}, out);
  case state::json_string: return on_json_string(c, out);
  case state::after:
    if (c == ',')
      state_ = in_object() ? state::key : state::value;
    else if (ends)
      close_innermost(out);
    return;
  }
}

void call_arguments::begin(std::string& out) {
  *this = {};
  open('o', out);
}

void call_arguments::append(std::string_view text, std::string& out) {
  for (const auto c : text)
    on(c, out);
}

void call_arguments::quote(std::string& out) {
  if (done())
    return;
  switch (state_) {
  case state::key: return begin_string(state::string, true, out);
  case state::colon:
  case state::value: return begin_string(state::string, false, out);
  case state::string: return end_string(out);
  case state::json_string: return on_json_string('"', out);
  case state::bare_key:
  case state::bare_value:
  case state::after: return;
  }
}

void call_arguments::close(std::string& out) {
  while (!done()) {
    switch (state_) {
    case state::string:
    case state::json_string: end_string(out); break;
    case state::bare_key: end_bare_key(out); break;
    case state::bare_value: end_bare_value(out); break;
    case state::colon: state_ = state::value; break;
    case state::value:
      if (in_object())
        out += "null";
      close_innermost(out);
      break;
    case state::key:
    case state::after: close_innermost(out); break;
    }
  }
}

} // namespace larql::text

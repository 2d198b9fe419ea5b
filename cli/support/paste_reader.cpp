#include "cli/support/paste_reader.hpp"

#include "runtime/text/terminal_text.hpp"

#include <utility>

namespace larql::cli {

namespace {

constexpr std::string_view begin_mark = "\x1b[200~";
constexpr std::string_view end_mark = "\x1b[201~";

} // namespace

paste_reader::input paste_reader::add(char byte) {
  const auto mark = in_paste_ ? end_mark : begin_mark;
  auto out = input{};
  auto& plain = in_paste_ ? paste_ : out.typed;
  held_ += byte;
  if (!mark.starts_with(held_)) { // the last byte may begin another mark
    held_.pop_back();
    plain += std::exchange(held_, {});
    if (byte == mark.front())
      held_ = byte;
    else
      plain += byte;
    return out;
  }
  if (held_ != mark)
    return out;
  held_.clear();
  if (std::exchange(in_paste_, !in_paste_))
    out.pasted = std::exchange(paste_, {});
  return out;
}

std::string clean_paste(std::string_view text) {
  auto lines = std::string{};
  lines.reserve(text.size());
  for (auto i = std::size_t{0}; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n')
      continue;
    lines += text[i] == '\r' ? '\n' : text[i];
  }
  if (lines.ends_with('\n'))
    lines.pop_back();
  auto filter = text::terminal_text{};
  auto out = filter.append(lines);
  return out + filter.flush();
}

} // namespace larql::cli

#include "cli/support/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace larql::cli {

namespace {

constexpr auto redraw_interval = std::chrono::milliseconds{100};
constexpr auto line_interval = std::chrono::seconds{5};
constexpr std::size_t bar_width = 24;
// The first bytes come at once, from a cache or by an earlier run: a rate of them is a fantasy.
constexpr auto shortest_measurement = std::chrono::duration<double>{0.5};
constexpr auto longest_left = std::chrono::hours{99}; // more is not known, only calculated

} // namespace

std::string format_duration(std::chrono::seconds time) {
  const auto s = time.count();
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string progress_text(std::string_view what, std::uint64_t done, std::uint64_t total,
                          std::uint64_t already, std::chrono::duration<double> elapsed,
                          std::string_view item) {
  const auto share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(std::min(share, 1.0) * bar_width);
  auto out = fmt::format("{} [{}{}] {:3.0f}%  {} of {}", what, std::string(filled, '#'),
                         std::string(bar_width - filled, '.'), share * 100, format_bytes(done),
                         format_bytes(total));
  if (elapsed >= shortest_measurement && done > already) {
    const auto rate = static_cast<double>(done - already) / elapsed.count();
    out += fmt::format("  {}/s", format_bytes(static_cast<std::uint64_t>(rate)));
    const auto left = std::chrono::duration<double>(
        static_cast<double>(total - std::min(done, total)) / rate + 0.5);
    if (left < longest_left)
      out += fmt::format("  {} left",
                         format_duration(std::chrono::duration_cast<std::chrono::seconds>(left)));
  }
  return out + (item.empty() ? "" : "  ") + std::string{item};
}

progress_line::progress_line(std::string what)
    : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1) {}

progress_line::~progress_line() {
  if (terminal_ && drawn_)
    std::fputs("\n", stderr);
}

void progress_line::update(std::uint64_t done, std::uint64_t total, std::uint64_t already,
                           std::string_view item) {
  const auto now = clock::now();
  if (!start_)
    start_ = now;
  const auto due = done >= total || now - last_ >= (terminal_ ? clock::duration{redraw_interval}
                                                              : clock::duration{line_interval});
  if (!due)
    return;
  last_ = now;
  drawn_ = true;
  const auto text = progress_text(what_, done, total, already, now - *start_, item);
  if (terminal_)
    fmt::print(stderr, "\r\x1b[K{}", text);
  else
    fmt::print(stderr, "{}\n", text);
  std::fflush(stderr);
}

} // namespace larql::cli

#include "cli/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace larql::cli {

namespace {

constexpr auto redraw_interval = std::chrono::milliseconds{100};
constexpr auto line_interval = std::chrono::seconds{5};
constexpr std::size_t bar_width = 24;

} // namespace

std::string format_bytes(std::uint64_t bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  auto x = static_cast<double>(bytes);
  auto unit = 0;
  while (x >= 999.5 && unit < 6) {
    x /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes)
                   : fmt::format("{:.{}f} {}", x, x < 9.95 ? 2 : 1, units[unit]);
}

std::string format_duration(std::chrono::seconds time) {
  const auto s = time.count();
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
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
  const auto due = done >= total || now - last_ >= (terminal_ ? clock::duration{redraw_interval}
                                                              : clock::duration{line_interval});
  if (!due)
    return;
  last_ = now;
  drawn_ = true;
  const auto seconds = std::chrono::duration<double>(now - start_).count();
  const auto rate = static_cast<double>(done - std::min(already, done)) / std::max(seconds, 1e-3);
  const auto share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const auto left = rate > 0 ? format_duration(std::chrono::seconds{static_cast<std::int64_t>(
                                   static_cast<double>(total - done) / rate + 0.5)})
                             : std::string{"?"};
  const auto filled = static_cast<std::size_t>(share * bar_width);
  const auto text = fmt::format("{} [{}{}] {:3.0f}%  {} of {}  {}/s  {} left  {}", what_,
                                std::string(filled, '#'), std::string(bar_width - filled, '.'),
                                share * 100, format_bytes(done), format_bytes(total),
                                format_bytes(static_cast<std::uint64_t>(rate)), left, item);
  if (terminal_)
    fmt::print(stderr, "\r\x1b[K{}", text);
  else
    fmt::print(stderr, "{}\n", text);
  std::fflush(stderr);
}

} // namespace larql::cli

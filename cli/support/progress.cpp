#include "cli/support/progress.hpp"

#include "cli/support/output.hpp"
#include "cli/support/terminal_column.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>
#include <vector>

namespace larql::cli {

namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr auto redraw_interval = std::chrono::milliseconds{100};
constexpr auto line_interval = seconds{10};
constexpr auto sample_interval = std::chrono::milliseconds{250};
constexpr auto measured_time = seconds{10};
constexpr std::size_t bar_width = 24;
// The first bytes come at once, from a cache or by an earlier run: a rate of them is a fantasy.
constexpr auto shortest_measurement = std::chrono::milliseconds{500};
constexpr auto longest_left = std::chrono::hours{99}; // more is not known, only calculated
constexpr auto stalled_after = seconds{5};

double share_of(const progress_state& p) {
  return p.total == 0 ? 1.0 : static_cast<double>(p.done) / static_cast<double>(p.total);
}

// Rate and time left, or for how long nothing has come.
std::vector<std::string> speed_of(const progress_state& p) {
  if (p.standstill >= stalled_after && p.done < p.total)
    return {fmt::format("stalled for {}", format_duration(p.standstill))};
  if (!p.bytes_per_second || *p.bytes_per_second <= 0)
    return {};
  auto out = std::vector{
      fmt::format("{}/s", format_bytes(static_cast<std::uint64_t>(*p.bytes_per_second)))};
  const auto left = std::chrono::duration<double>(
      static_cast<double>(p.total - std::min(p.done, p.total)) / *p.bytes_per_second + 0.5);
  if (left < longest_left)
    out.push_back(fmt::format("{} left", format_duration(duration_cast<seconds>(left))));
  return out;
}

} // namespace

std::string format_duration(std::chrono::seconds time) {
  const auto s = time.count();
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

void rate_meter::add(std::uint64_t done, clock::time_point now) {
  if (samples_.empty() || done > latest_.done)
    last_byte_ = now;
  latest_ = {done, now};
  if (samples_.empty() || now - samples_.back().at >= sample_interval)
    samples_.push_back(latest_);
  while (samples_.size() > 1 && now - samples_[1].at >= measured_time)
    samples_.pop_front();
}

std::optional<double> rate_meter::bytes_per_second() const {
  if (samples_.empty())
    return std::nullopt;
  const auto& first = samples_.front();
  const auto time = latest_.at - first.at;
  if (time < shortest_measurement || latest_.done <= first.done)
    return std::nullopt;
  return static_cast<double>(latest_.done - first.done) /
         std::chrono::duration<double>(time).count();
}

rate_meter::clock::duration rate_meter::standstill() const {
  return latest_.at - last_byte_;
}

std::string progress_text(const progress_state& p, std::size_t columns) {
  const auto share = share_of(p);
  const auto filled = static_cast<std::size_t>(std::min(share, 1.0) * bar_width);
  const auto bar =
      fmt::format(" [{}{}]", std::string(filled, '#'), std::string(bar_width - filled, '.'));
  const auto bytes =
      fmt::format(" {:3.0f}%  {} of {}", share * 100, format_bytes(p.done), format_bytes(p.total));
  auto parts = speed_of(p);
  if (!p.item.empty())
    parts.emplace_back(one_line(p.item));
  const auto head = one_line(p.what);
  auto width = columns_of(head) + bytes.size();
  const auto needed = parts.empty() ? 0 : columns_of(parts.front()) + 2;
  const auto with_bar = width + bar.size() + needed <= columns;
  auto out = head + (with_bar ? bar : "") + bytes;
  for (const auto& part : parts) {
    if (columns_of(out) + 2 + columns_of(part) > columns)
      break;
    out += "  " + part;
  }
  return cut_to_columns(out, columns);
}

std::string plain_progress_text(const progress_state& p) {
  auto out = fmt::format("{}: {:.0f} %, {} of {}", p.what, share_of(p) * 100, format_bytes(p.done),
                         format_bytes(p.total));
  for (const auto& part : speed_of(p))
    out += ", " + part;
  return out + (p.item.empty() ? "" : ", ") + std::string{p.item};
}

progress_line::progress_line(std::string what)
    : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1) {}

progress_line::~progress_line() {
  if (terminal_ && drawn_)
    say_text("\n");
}

void progress_line::update(std::uint64_t done, std::uint64_t total, std::string_view item) {
  const auto now = clock::now();
  rate_.add(done, now);
  const auto interval =
      terminal_ ? clock::duration{redraw_interval} : clock::duration{line_interval};
  if (done < total && now - last_ < interval)
    return;
  last_ = now;
  drawn_ = true;
  const auto state = progress_state{
      what_, done, total, rate_.bytes_per_second(), duration_cast<seconds>(rate_.standstill()),
      item};
  if (terminal_) // one column stays free: a full line makes some terminals begin the next
    say_text(fmt::format("\r\x1b[K{}", progress_text(state, terminal_columns(STDERR_FILENO) - 1)));
  else
    say("{}", plain_progress_text(state));
}

} // namespace larql::cli

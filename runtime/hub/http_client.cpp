#include "runtime/hub/http_client.hpp"

#include "runtime/hub/http_error.hpp"
#include "runtime/hub/url.hpp"

#include <charconv>
#include <thread>

namespace larql::hub {

namespace {

constexpr auto most_redirects = 8;
// Of a server that knows no ranges, so much is read for nothing before the bytes that are wanted.
constexpr std::uint64_t most_skipped_bytes = 16 << 20;
constexpr auto poll_interval = std::chrono::milliseconds{50};

bool is_redirect(const http_request& r, const http_answer& a) {
  if (a.header("location").empty())
    return false;
  const auto repeats = a.status == 307 || a.status == 308;
  const auto moves = a.status == 301 || a.status == 302 || a.status == 303;
  return repeats || (moves && (r.method == "GET" || r.method == "HEAD"));
}

struct content_range {
  std::uint64_t first = 0, last = 0;
  std::optional<std::uint64_t> total;
};

bool take_number(std::string_view& text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc{};
}

// "bytes 0-99/1234" or "bytes 0-99/*"
std::optional<content_range> parse_content_range(std::string_view text) {
  auto out = content_range{};
  auto total = std::uint64_t{0};
  const auto take = [&](std::string_view word) {
    const auto found = text.starts_with(word);
    text.remove_prefix(found ? word.size() : 0);
    return found;
  };
  if (!take("bytes ") || !take_number(text, out.first) || !take("-") ||
      !take_number(text, out.last) || !take("/"))
    return std::nullopt;
  if (text == "*")
    return out;
  if (!take_number(text, total) || !text.empty())
    return std::nullopt;
  out.total = total;
  return out;
}

// Whether the answer is about the bytes that were asked for.
result<void> check_head(const download& d, interval asked, const http_answer& a) {
  const auto url = without_secrets(d.url);
  if (a.status == 200) {
    const auto is_all = asked.begin == 0 && asked.end == d.file_bytes;
    if (!is_all && d.file_bytes > most_skipped_bytes)
      return fail(errc::unsupported,
                  "{}: bytes {} to {} were asked for, the server sends the whole file", url,
                  asked.begin, asked.end);
    auto length = a.header("content-length");
    auto bytes = std::uint64_t{0};
    if (!length.empty() && (!take_number(length, bytes) || bytes != d.file_bytes))
      return fail(errc::mismatch, "{}: the server has {} bytes, expected {}", url,
                  a.header("content-length"), d.file_bytes);
    return {};
  }
  const auto range = parse_content_range(a.header("content-range"));
  if (a.status != 206 || !range || range->first != asked.begin || range->last + 1 != asked.end)
    return fail(errc::corrupt, "{}: status {} with Content-Range \"{}\", expected bytes {}-{}", url,
                a.status, a.header("content-range"), asked.begin, asked.end - 1);
  if (range->total && *range->total != d.file_bytes)
    return fail(errc::mismatch, "{}: the server has {} bytes, expected {}", url, *range->total,
                d.file_bytes);
  return {};
}

} // namespace

http_client::http_client(const http_settings& settings) : settings_(settings) {}

// Follows redirects; request.url is where they ended.
http_outcome http_client::follow(http_request& request) {
  request.connect_timeout = settings_.connect_timeout;
  request.stall_timeout = std::max(request.stall_timeout, settings_.stall_timeout);
  request.stop = settings_.stop;
  const auto headers = request.headers;
  for (auto hops = 0;; ++hops) {
    const auto origin = origin_of(request.url);
    if (!origin)
      return {{}, origin.error(), false};
    request.headers = headers;
    request.headers.push_back("User-Agent: " + settings_.user_agent);
    if (!settings_.access.token.empty() && *origin == settings_.access.origin)
      request.headers.push_back("Authorization: Bearer " + settings_.access.token);
    auto out = handle_.perform(request);
    request.headers = headers;
    out.answer.url = request.url;
    if (out.error || !is_redirect(request, out.answer))
      return out;
    if (hops == most_redirects)
      return {{},
              fail(errc::corrupt, "{}: more than {} redirects", without_secrets(request.url),
                   most_redirects),
              false};
    auto target = redirect_target(request.url, out.answer.header("location"));
    if (!target)
      return {{}, std::move(target).error(), false};
    request.url = *std::move(target);
  }
}

result<void> http_client::pause(unsigned failures, const http_outcome& last) {
  const auto asked = last.answer.retry_after;
  const auto why = last.error ? last.error->text : status_text(last.answer);
  if (failures >= settings_.retry.attempts)
    return fail(last.error ? last.error->code : errc::unavailable, "{} ({} attempts)", why,
                failures);
  if (asked && *asked > settings_.retry.longest_asked)
    return fail(errc::unavailable, "{}; it asks to come back in {} s", why, asked->count());
  const auto delay = retry_delay(settings_.retry, failures, uniform_(), asked);
  if (settings_.on_notice)
    settings_.on_notice(
        fmt::format("{}; again in {:.1f} s", why, static_cast<double>(delay.count()) / 1000));
  const auto until = std::chrono::steady_clock::now() + delay;
  while (std::chrono::steady_clock::now() < until) {
    if (settings_.stop.stop_requested())
      return fail(errc::cancelled, "stopped");
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(
        poll_interval, until - std::chrono::steady_clock::now()));
  }
  return {};
}

result<http_answer> http_client::exchange(http_request request) {
  const auto first_url = request.url;
  for (auto failures = 1u;; ++failures) {
    request.url = first_url;
    auto out = follow(request);
    if (!out.error && !is_transient(out.answer.status))
      return std::move(out.answer);
    if (out.error && !out.may_retry)
      return *std::move(out.error);
    LARQL_TRY_VOID(pause(failures, out));
  }
}

result<http_answer> http_client::exchange_ok(http_request request) {
  LARQL_TRY(auto answer, exchange(std::move(request)));
  if (!answer.ok())
    return answer_error(answer, settings_.access);
  return answer;
}

http_outcome http_client::fetch_once(const download& d, std::uint64_t& got) {
  auto request = http_request{};
  const auto asked = interval{d.range.begin + got, d.range.end};
  const auto known = locations_.find(d.url);
  request.url = known != locations_.end() ? known->second : d.url;
  request.range = asked;
  auto skip = std::uint64_t{0}, drop_after = d.file_bytes;
  request.on_head = [&](const http_answer& a) {
    const auto whole = a.status == 200;
    skip = whole ? asked.begin : 0;
    drop_after = whole ? d.file_bytes - asked.end : 0;
    return check_head(d, asked, a);
  };
  request.on_body = [&](std::span<const std::byte> bytes) -> result<void> {
    const auto skipped = std::min<std::uint64_t>(skip, bytes.size());
    skip -= skipped;
    bytes = bytes.subspan(skipped);
    const auto wanted = std::min<std::uint64_t>(bytes.size(), d.range.bytes() - got);
    const auto beyond = bytes.size() - wanted;
    if (beyond > drop_after)
      return fail(errc::corrupt, "{}: sends more than the {} bytes that were asked for",
                  without_secrets(d.url), asked.bytes());
    drop_after -= beyond;
    got += wanted;
    return wanted == 0 ? result<void>{} : d.sink(bytes.first(wanted));
  };
  auto out = follow(request);
  if (!out.error && out.answer.ok()) {
    locations_[d.url] = request.url;
    if (got < d.range.bytes()) {
      out.error = fail(errc::unavailable, "{}: ended after {} of {} bytes", without_secrets(d.url),
                       got, d.range.bytes());
      out.may_retry = true;
    }
    return out;
  }
  if (known == locations_.end())
    return out;
  // A signed location expires, or its host is in trouble: the Hub gives a new one.
  locations_.erase(known);
  return out.error || is_transient(out.answer.status) ? std::move(out) : fetch_once(d, got);
}

result<void> http_client::fetch(const download& d) {
  LARQL_CHECK(d.range.begin < d.range.end && d.range.end <= d.file_bytes);
  auto got = std::uint64_t{0};
  for (auto failures = 0u;;) {
    const auto before = got;
    auto out = fetch_once(d, got);
    if (out.error && !out.may_retry)
      return *std::move(out.error);
    if (got == d.range.bytes() || (!out.error && out.answer.ok()))
      return {};
    if (!out.error && !is_transient(out.answer.status))
      return answer_error(out.answer, settings_.access);
    failures = got > before ? 1 : failures + 1; // attempts that get on are not counted up
    LARQL_TRY_VOID(pause(failures, out));
  }
}

} // namespace larql::hub

#include "runtime/hub/http.hpp"

#include "runtime/hub/url.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>

namespace larql::hub {

namespace {

constexpr long slow_bytes_per_second = 1000;
constexpr std::size_t max_header_bytes = 256 * 1024;
constexpr std::uint64_t max_error_body_bytes = 64 * 1024; // of an answer that is not 2xx
constexpr long receive_buffer_bytes = 256 * 1024;

std::string_view trim(std::string_view s) {
  constexpr auto white = " \t\r\n";
  const auto first = s.find_first_not_of(white);
  if (first == std::string_view::npos)
    return {};
  return s.substr(first, s.find_last_not_of(white) - first + 1);
}

// The Hub's own way to say when its limit ends: `"api";r=0;t=55`.
std::optional<std::chrono::seconds> limit_ends(std::string_view header) {
  const auto at = header.find(";t=");
  auto seconds = 0u;
  if (at == std::string_view::npos)
    return std::nullopt;
  const auto digits = header.substr(at + 3);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  return error == std::errc{} ? std::optional{std::chrono::seconds{seconds}} : std::nullopt;
}

// What the callbacks of one transfer share.
struct transfer {
  const http_request& request;
  http_answer answer;
  std::optional<failure> error; // of a callback; it ended the transfer
  std::size_t header_bytes = 0;
  std::uint64_t sent = 0;
  bool head_done = false;

  bool fail_with(result<void> outcome) {
    if (!outcome)
      error = std::move(outcome).error();
    return error.has_value();
  }
  // False if the caller does not want this answer.
  bool finish_head() {
    if (head_done)
      return !error;
    head_done = true;
    return !answer.ok() || !request.on_head || !fail_with(request.on_head(answer));
  }
};

std::size_t on_header(char* data, std::size_t, std::size_t bytes, void* self) {
  auto& t = *static_cast<transfer*>(self);
  const auto line = std::string_view{data, bytes};
  t.header_bytes += bytes;
  if (t.header_bytes > max_header_bytes) {
    t.error = fail(errc::corrupt, "{}: more than {} bytes of headers",
                   without_secrets(t.request.url), max_header_bytes);
    return 0;
  }
  if (line.starts_with("HTTP/")) { // after "100 Continue" the real one follows
    t.answer.headers.clear();
    const auto space = line.find(' ');
    t.answer.status = space == std::string_view::npos
                          ? 0
                          : std::atol(std::string{line.substr(space + 1)}.c_str());
    return bytes;
  }
  const auto colon = line.find(':');
  if (colon != std::string_view::npos) {
    auto name = std::string{trim(line.substr(0, colon))};
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    t.answer.headers[std::move(name)] = trim(line.substr(colon + 1));
  }
  return bytes;
}

std::size_t on_body(char* data, std::size_t, std::size_t bytes, void* self) {
  auto& t = *static_cast<transfer*>(self);
  if (!t.finish_head())
    return 0;
  if (t.answer.ok() && t.request.on_body)
    return t.fail_with(t.request.on_body(std::as_bytes(std::span{data, bytes}))) ? 0 : bytes;
  const auto most = t.answer.ok() ? t.request.max_body_bytes : max_error_body_bytes;
  if (bytes > most || t.answer.body.size() > most - bytes) {
    if (!t.answer.ok()) // enough to say what was wrong
      return bytes;
    t.error = fail(errc::corrupt, "{}: the answer is longer than {} bytes",
                   without_secrets(t.request.url), most);
    return 0;
  }
  t.answer.body.append(data, bytes);
  return bytes;
}

std::size_t on_read(char* out, std::size_t, std::size_t room, void* self) {
  auto& t = *static_cast<transfer*>(self);
  const auto left = t.request.source->bytes - t.sent;
  const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(room, left));
  if (bytes == 0)
    return 0;
  if (t.fail_with(t.request.source->read(t.sent, std::as_writable_bytes(std::span{out, bytes}))))
    return CURL_READFUNC_ABORT;
  t.sent += bytes;
  if (t.request.on_sent)
    t.request.on_sent(t.sent);
  return bytes;
}

// libcurl starts over on a fresh connection when a kept one turns out to be closed.
int on_seek(void* self, curl_off_t offset, int origin) {
  auto& t = *static_cast<transfer*>(self);
  if (origin != SEEK_SET || offset < 0)
    return CURL_SEEKFUNC_FAIL;
  t.sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& t = *static_cast<transfer*>(self);
  if (!t.request.stop.stop_requested())
    return 0;
  t.error = fail(errc::cancelled, "stopped");
  return 1;
}

bool is_hopeless(CURLcode code) noexcept {
  switch (code) {
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_URL_MALFORMAT:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_TOO_MANY_REDIRECTS:
  case CURLE_OUT_OF_MEMORY: return true;
  default: return false;
  }
}

} // namespace

std::string_view http_answer::header(std::string_view name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? std::string_view{} : std::string_view{it->second};
}

struct http_handle::state {
  CURL* curl = curl_easy_init();
  state() = default;
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() { curl_easy_cleanup(curl); }
};

http_handle::http_handle() : state_(std::make_unique<state>()) {
  LARQL_CHECK(state_->curl != nullptr);
}
http_handle::~http_handle() = default;
http_handle::http_handle(http_handle&&) noexcept = default;
http_handle& http_handle::operator=(http_handle&&) noexcept = default;

http_outcome http_handle::perform(const http_request& r) {
  auto* c = state_->curl;
  auto t = transfer{r, {}, {}};
  char text[CURL_ERROR_SIZE] = "";
  curl_easy_reset(c); // options go, connections stay
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_URL, r.url.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_BUFFERSIZE, receive_buffer_bytes);
  curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(r.connect_timeout.count()));
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, slow_bytes_per_second);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, static_cast<long>(r.stall_timeout.count()));
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, &t);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, &t);

  if (!r.ca_file.empty())
    curl_easy_setopt(c, CURLOPT_CAINFO, r.ca_file.c_str());
  auto range = std::string{};
  if (r.range) {
    range = fmt::format("{}-{}", r.range->begin, r.range->end - 1);
    curl_easy_setopt(c, CURLOPT_RANGE, range.c_str());
  }
  if (r.method == "HEAD") {
    curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
  } else if (r.source) {
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(r.source->bytes));
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c, CURLOPT_READDATA, &t);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(c, CURLOPT_SEEKDATA, &t);
  } else if (r.method != "GET") {
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, r.body.data());
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r.method.c_str());
  }
  auto* list = curl_slist_append(nullptr, "Expect:"); // no round trip before a body
  for (const auto& h : r.headers)
    list = curl_slist_append(list, h.c_str());
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);

  const auto code = curl_easy_perform(c);
  curl_slist_free_all(list);
  auto out = http_outcome{};
  auto asked = curl_off_t{0};
  if (curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &asked) == CURLE_OK && asked > 0)
    t.answer.retry_after = std::chrono::seconds{asked};
  else if (t.answer.status == 429)
    t.answer.retry_after = limit_ends(t.answer.header("ratelimit"));
  if (code == CURLE_OK)
    t.finish_head();
  out.answer = std::move(t.answer);
  if (t.error) {
    out.error = std::move(t.error);
  } else if (code != CURLE_OK) {
    const auto why = std::string_view{*text != '\0' ? text : curl_easy_strerror(code)};
    out.error = fail(code == CURLE_OPERATION_TIMEDOUT ? errc::deadline : errc::unavailable,
                     "{}: {}", without_secrets(r.url), trim(why));
    out.may_retry = !is_hopeless(code);
  }
  return out;
}

} // namespace larql::hub

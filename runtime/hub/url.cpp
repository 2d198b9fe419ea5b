#include "runtime/hub/url.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

namespace larql::hub {

namespace {

constexpr std::size_t max_url_bytes = 16 * 1024;

using url_ptr = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK)
    return {};
  auto out = std::string{text};
  curl_free(text);
  return out;
}

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return s;
}

result<url_ptr> parse(std::string_view text) {
  auto url = url_ptr{curl_url(), curl_url_cleanup};
  const auto zero_terminated = std::string{text};
  if (text.size() > max_url_bytes || text.find('\0') != std::string_view::npos || !url ||
      curl_url_set(url.get(), CURLUPART_URL, zero_terminated.c_str(), 0) != CURLUE_OK)
    return fail(errc::corrupt, "\"{}\" is not a URL", without_secrets(text));
  const auto s = lower(part(url.get(), CURLUPART_SCHEME));
  if (s != "http" && s != "https")
    return fail(errc::corrupt, "{}: expected an http or https URL", without_secrets(text));
  return url;
}

std::string origin(CURLU* url) {
  return lower(fmt::format("{}://{}:{}", part(url, CURLUPART_SCHEME), part(url, CURLUPART_HOST),
                           part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT)));
}

} // namespace

result<std::string> origin_of(std::string_view url) {
  LARQL_TRY(const auto parsed, parse(url));
  return origin(parsed.get());
}

result<std::string> redirect_target(std::string_view from, std::string_view location) {
  LARQL_TRY(const auto url, parse(from));
  const auto was_secure = lower(part(url.get(), CURLUPART_SCHEME)) == "https";
  const auto text = std::string{location};
  const auto bad = [&](std::string_view why) {
    return fail(errc::corrupt, "{}: redirects to \"{}\", {}", without_secrets(from),
                without_secrets(location), why);
  };
  if (location.empty() || location.size() > max_url_bytes ||
      curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
    return bad("which is not a URL");
  const auto scheme = lower(part(url.get(), CURLUPART_SCHEME));
  if (scheme != "https" && scheme != "http")
    return bad("expected http or https");
  if (was_secure && scheme != "https")
    return bad("which gives up encryption");
  if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty())
    return bad("which names a user");
  return part(url.get(), CURLUPART_URL);
}

std::string without_secrets(std::string_view url) {
  auto out = std::string{url.substr(0, url.find_first_of("?#"))};
  const auto host = out.find("://");
  if (host != std::string::npos) {
    const auto end = out.find('/', host + 3);
    const auto at = out.rfind('@', end);
    if (at != std::string::npos && at > host && (end == std::string::npos || at < end))
      out.erase(host + 3, at + 1 - (host + 3));
  }
  if (out.size() > 300)
    out = out.substr(0, 300) + "…";
  return out;
}

std::string percent_encode(std::string_view text, bool keep_slashes) {
  constexpr auto digits = "0123456789ABCDEF";
  auto out = std::string{};
  for (const auto c : text) {
    const auto u = static_cast<unsigned char>(c);
    const auto plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || (keep_slashes && c == '/');
    if (plain)
      out += c;
    else
      out.append({'%', digits[u >> 4], digits[u & 15]});
  }
  return out;
}

bool is_plain_http_beyond_loopback(std::string_view origin) {
  if (!origin.starts_with("http://"))
    return false;
  const auto host = origin.substr(7, origin.rfind(':') - 7);
  // Names that end in a dot or digits alone could be anything; only these are certain.
  const auto is_loopback_number =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host != "localhost" && host != "[::1]" && !is_loopback_number;
}

} // namespace larql::hub

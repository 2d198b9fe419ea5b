#include "runtime/topology/shard_url.hpp"

#include "runtime/base/parse_number.hpp"

namespace larql::topology {

namespace {

constexpr std::uint16_t http_port = 8080;
constexpr std::uint16_t https_port = 443;

struct scheme {
  std::string_view prefix;
  bool tls;
  std::uint16_t default_port; // 0: must be given
};
constexpr scheme schemes[] = {{"caf://", false, 0},
                              {"tls://", true, 0},
                              {"http://", false, http_port},
                              {"https://", true, https_port}};

// Fills in host and port. Returns what is wrong, or nothing.
std::string parse_authority(std::string_view rest, std::uint16_t default_port, shard_url& out) {
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos)
      return "] is missing";
    out.host = rest.substr(1, end - 1);
    rest = rest.substr(end + 1);
  } else {
    const auto colon = rest.find(':');
    out.host = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon);
  }
  if (out.host.empty() || out.host.find('/') != std::string::npos)
    return "host is missing or holds a path";
  if (rest.empty()) {
    out.port = default_port;
    return default_port == 0 ? "port is missing" : "";
  }
  const auto digits = rest.substr(1);
  const auto port = parse_number<std::uint16_t>(digits);
  if (rest[0] != ':' || !port || *port == 0)
    return fmt::format("port is \"{}\", expected 1 to 65535", digits);
  out.port = *port;
  return {};
}

} // namespace

result<shard_url> parse_url(std::string_view text) {
  const scheme* found = nullptr;
  for (const auto& s : schemes)
    if (text.starts_with(s.prefix))
      found = &s;
  if (found == nullptr)
    return fail(errc::usage, "shard URL \"{}\": expected caf://, tls://, http:// or https://",
                text);
  auto rest = text.substr(found->prefix.size());
  if (rest.ends_with('/'))
    rest.remove_suffix(1);
  auto out = shard_url{};
  out.tls = found->tls;
  if (const auto wrong = parse_authority(rest, found->default_port, out); !wrong.empty())
    return fail(errc::usage, "shard URL \"{}\": {}", text, wrong);
  return out;
}

result<shard_url> parse_host_port(std::string_view text, std::string_view what) {
  auto out = shard_url{};
  if (const auto wrong = parse_authority(text, 0, out); !wrong.empty())
    return fail(errc::usage, "{} is \"{}\", expected HOST:PORT: {}", what, text, wrong);
  return out;
}

std::string host_port(const shard_url& url) {
  const auto v6 = url.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", url.host, v6 ? "]" : "", url.port);
}

std::string to_string(const shard_url& url) {
  return fmt::format("{}://{}", url.tls ? "tls" : "caf", host_port(url));
}

} // namespace larql::topology

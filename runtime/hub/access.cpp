#include "runtime/hub/access.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/hub/url.hpp"

#include <algorithm>
#include <filesystem>

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view default_endpoint = "https://huggingface.co";
constexpr std::uint64_t max_token_bytes = 4096;

std::string trimmed(std::string_view s) {
  constexpr auto white = " \t\r\n";
  const auto first = s.find_first_not_of(white);
  return first == std::string_view::npos
             ? std::string{}
             : std::string{s.substr(first, s.find_last_not_of(white) - first + 1)};
}

// A token goes into a header line: what could end that line must not get in.
result<void> take_token(std::string_view text, std::string source, access& out) {
  out.token = trimmed(text);
  out.token_source = std::move(source);
  if (out.token.size() > max_token_bytes ||
      !std::all_of(out.token.begin(), out.token.end(),
                   [](char c) { return c > ' ' && c < '\x7f'; }))
    return fail(errc::usage, "{}: holds no token: expected one word of letters and digits",
                out.token_source);
  return {};
}

// The file that `huggingface-cli login` writes.
std::optional<fs::path> token_file(const environment_fn& environment) {
  if (const auto path = environment("HF_TOKEN_PATH"))
    return *path;
  if (const auto home = environment("HF_HOME"))
    return fs::path{*home} / "token";
  if (const auto cache = environment("XDG_CACHE_HOME"))
    return fs::path{*cache} / "huggingface" / "token";
  if (const auto home = environment("HOME"))
    return fs::path{*home} / ".cache" / "huggingface" / "token";
  return std::nullopt;
}

} // namespace

result<access> read_access(const environment_fn& environment) {
  auto out = access{};
  out.endpoint = environment("HF_ENDPOINT").value_or(std::string{default_endpoint});
  while (out.endpoint.ends_with('/'))
    out.endpoint.pop_back();
  auto origin = origin_of(out.endpoint);
  if (!origin || out.endpoint.find_first_of("?#@ ") != std::string::npos)
    return fail(errc::usage, "HF_ENDPOINT is \"{}\", expected a URL like {}", out.endpoint,
                default_endpoint);
  out.origin = *std::move(origin);
  if (const auto token = environment("HF_TOKEN")) {
    LARQL_TRY_VOID(take_token(*token, "HF_TOKEN", out));
  } else if (const auto path = token_file(environment)) {
    LARQL_TRY(const auto exists, path_exists(*path));
    if (exists) {
      LARQL_TRY(const auto text, read_text_file(*path, max_token_bytes));
      LARQL_TRY_VOID(take_token(text, path->string(), out));
    } else if (environment("HF_TOKEN_PATH")) {
      return fail(errc::not_found, "{}: HF_TOKEN_PATH names no file", path->string());
    }
  }
  if (!out.token.empty() && is_plain_http_beyond_loopback(out.origin))
    return fail(errc::usage,
                "HF_ENDPOINT is {}: the token of {} would travel unencrypted; use https, or no "
                "token",
                out.endpoint, out.token_source);
  return out;
}

} // namespace larql::hub

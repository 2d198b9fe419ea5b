#include "cli/serve/server/api_keys.hpp"

#include "runtime/base/log.hpp"
#include "runtime/base/mapped_file.hpp"

#include <algorithm>
#include <sys/stat.h>

namespace larql::serve {

namespace {

constexpr auto max_file_bytes = std::uint64_t{1} << 20;
constexpr auto max_keys = std::size_t{1000};

sha256_digest digest_of(std::string_view text) {
  auto hash = sha256{};
  hash.update(std::as_bytes(std::span{text.data(), text.size()}));
  return hash.finish();
}

// Without looking away at the first difference.
bool are_equal(const sha256_digest& a, const sha256_digest& b) {
  auto difference = 0u;
  for (auto i = std::size_t{0}; i < a.size(); ++i)
    difference |= std::to_integer<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view white = " \t\r";
  const auto first = text.find_first_not_of(white);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(white) - first + 1);
}

bool is_visible(char c) {
  return c > ' ' && c < '\x7f';
}

void warn_if_others_can_read(const std::filesystem::path& file) {
  struct stat s {};
  if (::stat(file.c_str(), &s) == 0 && (s.st_mode & (S_IRGRP | S_IROTH)) != 0)
    log_warning("serve", "{}: others than its owner can read these keys (mode {:o})",
                one_line(file.string()), s.st_mode & 0777u);
}

} // namespace

result<api_keys> api_keys::read(const std::filesystem::path& file) {
  LARQL_TRY(const auto text, read_text_file(file, max_file_bytes));
  warn_if_others_can_read(file);
  return parse(text, file.string());
}

result<api_keys> api_keys::parse(std::string_view text, std::string_view name) {
  auto out = api_keys{};
  for (auto line = 1u; !text.empty(); ++line) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto key = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (key.empty() || key.front() == '#')
      continue;
    if (key.size() < min_key_bytes || key.size() > max_key_bytes)
      return fail(errc::usage, "{}:{}: the key has {} characters, expected {} to {}", name, line,
                  key.size(), min_key_bytes, max_key_bytes);
    if (!std::all_of(key.begin(), key.end(), is_visible))
      return fail(errc::usage, "{}:{}: a key has visible ASCII characters only", name, line);
    if (out.digests_.size() == max_keys)
      return fail(errc::usage, "{}:{}: more than {} keys", name, line, max_keys);
    out.digests_.push_back(digest_of(key));
  }
  if (out.digests_.empty())
    return fail(errc::usage, "{}: holds no key", name);
  return out;
}

std::optional<std::string> api_keys::identify(std::string_view key) const {
  const auto digest = digest_of(key);
  auto known = false;
  for (const auto& d : digests_)
    known |= are_equal(d, digest);
  if (!known)
    return std::nullopt;
  return to_hex(digest).substr(0, 16);
}

std::string_view key_of(std::string_view authorization, std::string_view x_api_key) {
  constexpr std::string_view scheme = "bearer ";
  const auto is_bearer =
      authorization.size() > scheme.size() &&
      std::equal(scheme.begin(), scheme.end(), authorization.begin(), [](char want, char is) {
        return want == is || (is >= 'A' && is <= 'Z' && want == is - 'A' + 'a');
      });
  return is_bearer ? trim(authorization.substr(scheme.size())) : trim(x_api_key);
}

} // namespace larql::serve

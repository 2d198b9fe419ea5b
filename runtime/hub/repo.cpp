#include "runtime/hub/repo.hpp"

#include <algorithm>

namespace larql::hub {

namespace {

constexpr std::size_t max_name_bytes = 96; // the Hub's own limit
constexpr std::size_t max_revision_bytes = 255;
constexpr std::size_t max_path_bytes = 1024;

bool is_alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// A name that starts with a dot could be ".." or hide.
bool is_name(std::string_view s) noexcept {
  return !s.empty() && s.size() <= max_name_bytes && s[0] != '.' && s[0] != '-' &&
         std::all_of(s.begin(), s.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

// What git allows and a URL carries: "main", "v1.0", "refs/pr/3".
bool is_revision(std::string_view s) noexcept {
  return !s.empty() && s.size() <= max_revision_bytes && s[0] != '-' && s[0] != '/' &&
         s.find("..") == std::string_view::npos && std::all_of(s.begin(), s.end(), [](char c) {
           return is_alphanumeric(c) || std::string_view{"-_./+"}.find(c) != std::string_view::npos;
         });
}

} // namespace

result<repo> parse_repo_id(std::string_view text, std::string_view what) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || !is_name(text.substr(0, slash)) ||
      !is_name(text.substr(slash + 1)))
    return fail(errc::usage, "{} is \"{}\", expected OWNER/NAME", what, text);
  return repo{std::string{text.substr(0, slash)}, std::string{text.substr(slash + 1)}, "main"};
}

result<repo> parse_hub_path(std::string_view text) {
  auto rest = text;
  if (is_hub_path(rest))
    rest.remove_prefix(scheme.size());
  const auto at = rest.find('@');
  if (rest.substr(0, at).find(':') != std::string_view::npos)
    return fail(errc::usage,
                "\"{}\": a file of a GGUF repository cannot be named with \":\"; expected "
                "hf://OWNER/NAME of a vindex (`larql extract` makes one of a GGUF file)",
                text);
  auto id = parse_repo_id(rest.substr(0, at), text);
  if (!id || !is_hub_path(text))
    return fail(errc::usage, "\"{}\": expected hf://OWNER/NAME or hf://OWNER/NAME@REVISION", text);
  if (at != std::string_view::npos) {
    id->revision = rest.substr(at + 1);
    if (!is_revision(id->revision))
      return fail(errc::usage, "\"{}\": \"{}\" is no branch, tag or commit", text, id->revision);
  }
  return id;
}

bool is_commit_hash(std::string_view s) noexcept {
  return s.size() == 40 && std::all_of(s.begin(), s.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_harmless_path(std::string_view path) noexcept {
  if (path.empty() || path.size() > max_path_bytes)
    return false;
  if (std::any_of(path.begin(), path.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ||
               c == '\\';
      }))
    return false;
  for (auto rest = path;;) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    if (part.empty() || part[0] == '.' || part.size() > 255)
      return false;
    if (slash == std::string_view::npos)
      return true;
    rest.remove_prefix(slash + 1);
  }
}

} // namespace larql::hub

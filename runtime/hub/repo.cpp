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

// Where "/FILE.gguf" begins in what follows a repository's name: a revision, which may have slashes
// of its own ("refs/pr/3"), and perhaps a file. The file is taken.
std::size_t take_file(std::string_view rest, std::string& file) {
  if (!rest.ends_with(".gguf"))
    return rest.size();
  auto at = rest.find('/');
  if (rest.starts_with("refs/"))
    for (auto i = 0; i < 2 && at != std::string_view::npos; ++i)
      at = rest.find('/', at + 1);
  if (at == std::string_view::npos)
    return rest.size();
  file = rest.substr(at + 1);
  return at;
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
  LARQL_TRY(auto address, parse_model_address(text));
  if (address.names_gguf())
    return fail(errc::usage,
                "\"{}\": names a GGUF file, but this takes a vindex: hf://OWNER/NAME or "
                "hf://OWNER/NAME@REVISION",
                text);
  return std::move(address.repo);
}

result<model_address> parse_model_address(std::string_view text) {
  const auto wrong = [&] {
    return fail(errc::usage,
                "\"{}\": expected hf://OWNER/NAME or hf://OWNER/NAME@REVISION, with :QUANT or "
                "/FILE.gguf behind it for a GGUF file",
                text);
  };
  if (!is_hub_path(text))
    return wrong();
  auto rest = text.substr(scheme.size());
  auto out = model_address{};
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    out.quant = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_name(out.quant))
      return wrong();
  }
  const auto slash = rest.find('/');
  const auto end =
      slash == std::string_view::npos ? rest.size() : rest.find_first_of("/@", slash + 1);
  auto id = parse_repo_id(rest.substr(0, end), text);
  if (!id)
    return wrong();
  out.repo = *std::move(id);
  rest.remove_prefix(std::min(end, rest.size()));
  if (rest.starts_with('@')) {
    rest.remove_prefix(1);
    const auto file = take_file(rest, out.file);
    out.repo.revision = rest.substr(0, file);
    if (!is_revision(out.repo.revision))
      return fail(errc::usage, "\"{}\": \"{}\" is no branch, tag or commit", text,
                  out.repo.revision);
  } else if (rest.starts_with('/')) {
    take_file(rest, out.file);
    if (out.file.empty())
      return wrong();
  }
  if (!out.file.empty() && (!is_harmless_path(out.file) || !out.quant.empty()))
    return wrong();
  return out;
}

std::string model_address::text() const {
  const auto revision = repo.revision == "main" ? std::string{} : "@" + repo.revision;
  return fmt::format("{}{}{}{}{}{}{}", scheme, repo.id(), revision, quant.empty() ? "" : ":", quant,
                     file.empty() ? "" : "/", file);
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

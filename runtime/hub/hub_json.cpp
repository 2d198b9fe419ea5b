#include "runtime/hub/hub_json.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/parse_number.hpp"
#include "runtime/hub/repo.hpp"

#include <algorithm>

namespace larql::hub {

namespace {

constexpr std::uint64_t max_file_bytes = std::uint64_t{1} << 46; // 70 TB
constexpr std::size_t max_parts = 10000;                         // of S3
constexpr std::size_t max_url_bytes = 16 * 1024;
// The hashes of a file without content.
constexpr std::string_view sha256_of_nothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view git_blob_of_nothing = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

bool is_hex(std::string_view s, std::size_t digits) {
  return s.size() == digits && std::all_of(s.begin(), s.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

result<std::string> hex_field(const json_fields& f, const char* key, std::size_t digits) {
  LARQL_TRY(auto text, f.string(key));
  if (!is_hex(text, digits))
    return fail(errc::corrupt, "{}: field \"{}\" is \"{}\", expected {} hexadecimal digits",
                f.where(), key, text.substr(0, 80), digits);
  return text;
}

result<json> parse_array(std::string_view text, std::string_view name) {
  LARQL_TRY(auto parsed, parse_json(text, name));
  if (!parsed.is_array())
    return fail(errc::corrupt, "{}: expected an array, found {}", name, parsed.type_name());
  return parsed;
}

result<remote_file> parse_file(const json_fields& f) {
  auto out = remote_file{};
  LARQL_TRY(out.path, f.string("path"));
  LARQL_TRY(out.bytes, f.unsigned_integer("size", max_file_bytes));
  if (f.has("lfs")) {
    LARQL_TRY(const auto* lfs, f.object("lfs"));
    const auto in = json_fields{*lfs, f.where() + ": lfs"};
    LARQL_TRY(out.sha256, hex_field(in, "oid", 64));
    LARQL_TRY(out.bytes, in.unsigned_integer("size", max_file_bytes));
  } else {
    LARQL_TRY(out.git_blob, hex_field(f, "oid", 40));
  }
  LARQL_TRY_VOID(check_listed(out, f.where()));
  return out;
}

// A header that a server asks us to send must be one line.
bool is_header_text(std::string_view s) {
  return std::all_of(s.begin(), s.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

result<lfs_action> parse_action(const json& action, const std::string& where) {
  const auto f = json_fields{action, where};
  auto out = lfs_action{};
  LARQL_TRY(out.url, f.string("href"));
  if (out.url.size() > max_url_bytes || !is_header_text(out.url))
    return fail(errc::corrupt, "{}: field \"href\" is no URL", where);
  if (!f.has("header"))
    return out;
  LARQL_TRY(const auto* headers, f.object("header"));
  for (const auto& [name, value] : headers->items()) {
    if (!value.is_string() || !is_header_text(name) || !is_header_text(value.get<std::string>()))
      return fail(errc::corrupt, "{}: header \"{}\" is no text of one line", where,
                  name.substr(0, 80));
    out.headers.push_back(name + ": " + value.get<std::string>());
  }
  return out;
}

// The Hub puts the parts of an upload where other servers have headers: "chunk_size" and, by
// number, a URL for each part.
result<void> take_parts(const json& headers, const std::string& where, lfs_object& out) {
  const auto f = json_fields{headers, where};
  if (!f.has("chunk_size"))
    return {};
  if (headers.at("chunk_size").is_string()) {
    LARQL_TRY(const auto text, f.string("chunk_size"));
    out.part_bytes = parse_number<std::uint64_t>(text).value_or(0);
  } else {
    LARQL_TRY(out.part_bytes, f.unsigned_integer("chunk_size", max_file_bytes));
  }
  if (out.part_bytes == 0)
    return fail(errc::corrupt, "{}: field \"chunk_size\" is {}, expected a number of bytes", where,
                headers.at("chunk_size").dump());
  auto urls = std::vector<std::pair<std::uint64_t, std::string>>{};
  for (const auto& [key, value] : headers.items()) {
    const auto number = parse_number<std::uint64_t>(key);
    if (!number)
      continue;
    if (!value.is_string() || value.get<std::string>().size() > max_url_bytes)
      return fail(errc::corrupt, "{}: part {} is no URL", where, *number);
    urls.emplace_back(*number, value.get<std::string>());
  }
  std::sort(urls.begin(), urls.end());
  const auto expected = (out.bytes + out.part_bytes - 1) / out.part_bytes;
  if (expected > max_parts || urls.size() != expected)
    return fail(errc::corrupt, "{}: has {} parts of {} bytes, expected {} for {} bytes", where,
                urls.size(), out.part_bytes, expected, out.bytes);
  for (auto i = std::size_t{0}; i < urls.size(); ++i) {
    if (urls[i].first != i + 1)
      return fail(errc::corrupt, "{}: part {} is missing", where, i + 1);
    out.part_urls.push_back(std::move(urls[i].second));
  }
  return {};
}

result<lfs_object> parse_object(const json& object, const std::string& where) {
  const auto f = json_fields{object, where};
  auto out = lfs_object{};
  LARQL_TRY(out.oid, hex_field(f, "oid", 64));
  LARQL_TRY(out.bytes, f.unsigned_integer("size", max_file_bytes));
  if (f.has("error")) {
    LARQL_TRY(const auto* error, f.object("error"));
    const auto e = json_fields{*error, where};
    const auto words = e.string("message");
    return fail(errc::unavailable, "{}: the server refuses {}: {}", where, out.oid,
                words ? words->substr(0, 300) : "no reason given");
  }
  if (!f.has("actions"))
    return out;
  LARQL_TRY(const auto* actions, f.object("actions"));
  if (actions->contains("upload")) {
    const auto& upload = actions->at("upload");
    if (upload.is_object() && upload.contains("header") && upload.at("header").is_object())
      LARQL_TRY_VOID(take_parts(upload.at("header"), where + ": upload", out));
    if (out.part_urls.empty()) {
      LARQL_TRY(out.upload, parse_action(upload, where + ": upload"));
    } else { // the headers are parts, not headers
      auto bare = upload;
      bare.erase("header");
      LARQL_TRY(out.upload, parse_action(bare, where + ": upload"));
    }
  }
  if (actions->contains("verify")) {
    LARQL_TRY(out.verify, parse_action(actions->at("verify"), where + ": verify"));
  }
  return out;
}

} // namespace

result<std::string> parse_revision(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  return hex_field(json_fields{parsed, std::string{name}}, "sha", 40);
}

result<void> check_listed(const remote_file& file, std::string_view name) {
  const auto says_nothing =
      file.content_name() == (file.sha256.empty() ? git_blob_of_nothing : sha256_of_nothing);
  if ((file.bytes == 0) != says_nothing)
    return fail(errc::corrupt, "{}: {} has {} bytes, but its hash is {}, that of {}", name,
                file.path.substr(0, 80), file.bytes, file.content_name(),
                says_nothing ? "an empty file" : "a file with content");
  return {};
}

result<std::vector<remote_file>> parse_tree(std::string_view text, std::string_view name,
                                            std::size_t max_entries, std::size_t& entries) {
  LARQL_TRY(const auto parsed, parse_array(text, name));
  entries = parsed.size();
  if (parsed.size() > max_entries)
    return fail(errc::corrupt, "{}: lists more than {} files", name, max_listed);
  auto out = std::vector<remote_file>{};
  for (auto i = std::size_t{0}; i < parsed.size(); ++i) {
    const auto f = json_fields{parsed[i], fmt::format("{}: entry {}", name, i)};
    LARQL_TRY(const auto type, f.string("type"));
    if (type != "file")
      continue;
    LARQL_TRY(auto entry, parse_file(f));
    if (is_harmless_path(entry.path))
      out.push_back(std::move(entry));
  }
  return out;
}

std::string next_page(std::string_view link) {
  for (auto rest = link; !rest.empty();) {
    const auto open = rest.find('<');
    const auto close = rest.find('>', open);
    if (open == std::string_view::npos || close == std::string_view::npos)
      return {};
    const auto end = std::min(rest.find('<', close), rest.size());
    if (rest.substr(close, end - close).find("rel=\"next\"") != std::string_view::npos)
      return std::string{rest.substr(open + 1, close - open - 1)};
    rest.remove_prefix(end);
  }
  return {};
}

result<std::vector<upload_mode>> parse_preupload(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  LARQL_TRY(const auto* files, (json_fields{parsed, std::string{name}}.array("files")));
  auto out = std::vector<upload_mode>{};
  for (auto i = std::size_t{0}; i < files->size(); ++i) {
    const auto f = json_fields{(*files)[i], fmt::format("{}: files: entry {}", name, i)};
    auto mode = upload_mode{};
    LARQL_TRY(mode.path, f.string("path"));
    LARQL_TRY(const auto how, f.string("uploadMode"));
    if (how != "lfs" && how != "regular")
      return fail(errc::corrupt, "{}: field \"uploadMode\" is \"{}\", expected lfs or regular",
                  f.where(), how.substr(0, 80));
    mode.lfs = how == "lfs";
    if (f.has("shouldIgnore")) {
      LARQL_TRY(mode.ignored, f.boolean("shouldIgnore"));
    }
    out.push_back(std::move(mode));
  }
  return out;
}

result<std::vector<lfs_object>> parse_lfs_batch(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  LARQL_TRY(const auto* objects, (json_fields{parsed, std::string{name}}.array("objects")));
  auto out = std::vector<lfs_object>{};
  for (auto i = std::size_t{0}; i < objects->size(); ++i) {
    LARQL_TRY(auto object,
              parse_object((*objects)[i], fmt::format("{}: objects: entry {}", name, i)));
    out.push_back(std::move(object));
  }
  return out;
}

} // namespace larql::hub

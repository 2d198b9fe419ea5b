#include "runtime/hub/upload_journal.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"

#include <charconv>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace larql::hub {

namespace {

constexpr std::uint32_t format_version = 1;
constexpr std::uint64_t max_journal_bytes = 64u << 20; // 10 000 addresses of some kB
constexpr const char* journal_name = "upload journal";

std::string part_line(std::size_t part, const std::string& etag) {
  return fmt::format("{} {}\n", part + 1, etag);
}

// Takes "3 "0f9e…"" in. False if the line means nothing.
bool apply(std::string_view line, std::vector<std::string>& etags) {
  auto number = std::size_t{0};
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  const auto rest = line.substr(static_cast<std::size_t>(end - line.data()));
  if (error != std::errc{} || number < 1 || number > etags.size() || rest.size() < 2 ||
      rest[0] != ' ')
    return false;
  etags[number - 1] = rest.substr(1);
  return true;
}

} // namespace

result<begun_upload> parse_upload_journal(std::string_view text, std::string_view repository) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos)
    return fail(errc::corrupt, "{}: its first line has no end", journal_name);
  LARQL_TRY(const auto parsed, parse_json(text.substr(0, end), journal_name));
  const auto top = json_fields{parsed, journal_name};
  LARQL_TRY_VOID(top.require_version(format_version));
  LARQL_TRY(const auto where, top.string("repository"));
  if (where != repository)
    return fail(errc::mismatch, "{}: field \"repository\" is \"{}\", expected \"{}\"", journal_name,
                where.substr(0, 200), repository);
  LARQL_TRY(auto objects, parse_lfs_batch(text.substr(0, end), journal_name));
  if (objects.size() != 1 || objects[0].part_urls.empty())
    return fail(errc::corrupt, "{}: field \"objects\" is not one upload in parts", journal_name);
  auto out = begun_upload{std::move(objects[0]), {}};
  out.etags.resize(out.object.part_urls.size());
  text.remove_prefix(end + 1);
  for (auto at = text.find('\n'); at != std::string_view::npos; at = text.find('\n')) {
    if (!apply(text.substr(0, at), out.etags))
      break;
    text.remove_prefix(at + 1);
  }
  return out;
}

std::string write_upload_journal(const begun_upload& u, std::string_view repository) {
  const auto& o = u.object;
  LARQL_CHECK(o.upload && !o.part_urls.empty());
  auto parts = json{{"chunk_size", o.part_bytes}};
  for (auto i = std::size_t{0}; i < o.part_urls.size(); ++i)
    parts[std::to_string(i + 1)] = o.part_urls[i];
  auto object = json{{"oid", o.oid}, {"size", o.bytes}};
  object["actions"]["upload"] = {{"href", o.upload->url}, {"header", std::move(parts)}};
  const auto head = json{{"version", format_version},
                         {"repository", repository},
                         {"objects", json::array({std::move(object)})}};
  auto out = head.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  for (auto i = std::size_t{0}; i < u.etags.size(); ++i)
    if (!u.etags[i].empty())
      out += part_line(i, u.etags[i]);
  return out;
}

std::filesystem::path upload_journal::path(const std::string& sha256) const {
  return dir_ / sha256;
}

std::optional<begun_upload> upload_journal::find(const std::string& sha256,
                                                 std::uint64_t bytes) const {
  if (dir_.empty())
    return std::nullopt;
  const auto text = read_text_file(path(sha256), max_journal_bytes);
  if (!text)
    return std::nullopt;
  auto found = parse_upload_journal(*text, repository_);
  if (!found || found->object.oid != sha256 || found->object.bytes != bytes)
    return std::nullopt;
  return *std::move(found);
}

void upload_journal::begin(const begun_upload& u) const {
  if (dir_.empty())
    return;
  auto error = std::error_code{};
  std::filesystem::create_directories(dir_, error);
  if (error || ::chmod(dir_.c_str(), 0700) != 0) // the addresses are secrets
    return;
  static_cast<void>(write_text_file(path(u.object.oid), write_upload_journal(u, repository_),
                                    file_access::owner_only));
}

void upload_journal::add(const lfs_object& object, std::size_t part,
                         const std::string& etag) const {
  if (dir_.empty())
    return;
  const auto fd = ::open(path(object.oid).c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0)
    return;
  // One write: a line is there or not.
  const auto line = part_line(part, etag);
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
  ::close(fd);
}

void upload_journal::forget(const std::string& sha256) const {
  auto error = std::error_code{};
  if (!dir_.empty())
    std::filesystem::remove(path(sha256), error);
}

} // namespace larql::hub

#include "runtime/vindex/locations.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/parse_number.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::vindex {

namespace {

constexpr std::uint32_t format_version = 1;
constexpr std::size_t max_files = 4096;
constexpr std::size_t max_stored = 2 * max_layers;
constexpr std::size_t max_runs = 1u << 18;
constexpr std::uint64_t max_bytes = INT64_MAX;

result<real_file> read_file(const json_fields& f) {
  auto out = real_file{};
  LARQL_TRY(const auto path, f.string("path"));
  out.path = path;
  if (!f.has("bytes")) {
    if (!is_file_name(path))
      return fail(errc::corrupt, "{}: field \"path\" is no name of a file here, and it has no size",
                  f.where());
    return out;
  }
  auto& stamp = out.stamp.emplace();
  LARQL_TRY(stamp.bytes, f.unsigned_integer("bytes", max_bytes));
  LARQL_TRY(stamp.device, f.unsigned_integer("device", ~std::uint64_t{0}));
  LARQL_TRY(stamp.inode, f.unsigned_integer("inode", ~std::uint64_t{0}));
  if (!out.path.is_absolute())
    return fail(errc::corrupt, "{}: field \"path\" is not absolute", f.where());
  if (f.has("content")) {
    LARQL_TRY(out.content, f.string("content"));
    return out;
  }
  LARQL_TRY(const auto time, f.string("modified_ns"));
  auto sign = std::int64_t{1};
  auto digits = std::string_view{time};
  if (digits.starts_with('-')) {
    sign = -1;
    digits.remove_prefix(1);
  }
  const auto number = parse_number<std::int64_t>(digits);
  if (!number)
    return fail(errc::corrupt, "{}: field \"modified_ns\" is \"{}\", expected a number", f.where(),
                time.substr(0, 40));
  stamp.modified_ns = sign * *number;
  return out;
}

// The end of the last piece; nothing if that is beyond all files.
std::optional<std::uint64_t> end_of(std::uint64_t first, std::uint64_t count, std::uint64_t step,
                                    std::uint64_t bytes) {
  auto out = std::uint64_t{0};
  if (__builtin_mul_overflow(count - 1, step, &out) || __builtin_add_overflow(out, first, &out) ||
      __builtin_add_overflow(out, bytes, &out) || out > max_bytes)
    return std::nullopt;
  return out;
}

// [at, bytes, file, offset] or [at, bytes, file, offset, count, at_step, offset_step]
result<located_run> read_run(const json& list, const std::vector<real_file>& files,
                             std::uint64_t stored_bytes, const std::string& where) {
  const auto wrong = [&](std::string_view what) {
    auto shown = list.dump(-1, ' ', true, json::error_handler_t::replace);
    shown.resize(std::min<std::size_t>(shown.size(), 80));
    return fail(errc::corrupt, "{}: run {}: {}", where, shown, what);
  };
  if (!list.is_array() || (list.size() != 4 && list.size() != 7))
    return wrong("expected a list of 4 or 7 numbers");
  std::uint64_t n[7] = {0, 0, 0, 0, 1, 0, 0};
  for (auto i = std::size_t{0}; i < list.size(); ++i) {
    if (!list[i].is_number_unsigned())
      return wrong("expected non-negative integers");
    n[i] = list[i].get<std::uint64_t>();
  }
  if (n[1] == 0 || n[2] >= files.size() || n[4] == 0 || (n[4] > 1 && n[5] < n[1]))
    return wrong("expected bytes, a file of the list, and pieces that do not overlap");
  const auto out =
      located_run{n[0], n[1], static_cast<std::uint32_t>(n[2]), n[3], n[4], n[5], n[6]};
  const auto stored_end = end_of(out.at, out.count, out.at_step, out.bytes);
  const auto real_end = end_of(out.offset, out.count, out.offset_step, out.bytes);
  const auto& stamp = files[out.file].stamp;
  if (!stored_end || *stored_end > stored_bytes)
    return wrong(fmt::format("is past the end of {} bytes", stored_bytes));
  if (!real_end || (stamp && *real_end > stamp->bytes))
    return wrong(fmt::format("is past the end of {}", files[out.file].path.string()));
  return out;
}

result<located_file> read_stored(const json& entry, const std::vector<real_file>& files,
                                 std::size_t& room, const std::string& where) {
  const auto f = json_fields{entry, where};
  auto out = located_file{};
  LARQL_TRY(out.bytes, f.unsigned_integer("bytes", max_bytes));
  LARQL_TRY(const json* runs, f.array("runs"));
  if (runs->size() > room)
    return fail(errc::corrupt, "{}: more than {} runs in all", where, max_runs);
  room -= runs->size();
  for (const auto& r : *runs) {
    LARQL_TRY(const auto run, read_run(r, files, out.bytes, where));
    out.runs.push_back(run);
  }
  return out;
}

} // namespace

bool real_file::is_same(const file_stamp& found) const noexcept {
  return found.device == stamp->device && found.inode == stamp->inode &&
         found.bytes == stamp->bytes &&
         (!content.empty() || found.modified_ns == stamp->modified_ns);
}

result<locations> parse_locations(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  const auto top = json_fields{parsed, std::string{name}};
  LARQL_TRY_VOID(top.require_version(format_version));
  auto out = locations{};
  LARQL_TRY(out.source, top.string("source"));
  LARQL_TRY(const json* files, top.array("files"));
  if (files->size() > max_files)
    return fail(errc::corrupt, "{}: field \"files\" has {} entries, expected at most {}", name,
                files->size(), max_files);
  for (const auto& entry : *files) {
    LARQL_TRY(auto one,
              read_file(json_fields{entry, fmt::format("{}: files[{}]", name, out.files.size())}));
    out.files.push_back(std::move(one));
  }
  LARQL_TRY(const json* stored, top.object("stored"));
  if (stored->size() > max_stored)
    return fail(errc::corrupt, "{}: field \"stored\" has {} entries, expected at most {}", name,
                stored->size(), max_stored);
  auto room = max_runs;
  for (const auto& [key, entry] : stored->items()) {
    if (!is_file_name(key))
      return fail(errc::corrupt, "{}: field \"stored\" has a name that is none of a file here",
                  name);
    LARQL_TRY(auto one,
              read_stored(entry, out.files, room, fmt::format("{}: stored: {}", name, key)));
    out.stored.emplace(key, std::move(one));
  }
  return out;
}

result<std::optional<locations>> read_locations(const std::filesystem::path& dir) {
  const auto path = dir / locations_file;
  LARQL_TRY(const auto exists, path_exists(path));
  if (!exists)
    return std::optional<locations>{};
  LARQL_TRY(const auto text, read_text_file(path, max_json_bytes));
  LARQL_TRY(auto out, parse_locations(text, path.string()));
  return std::optional{std::move(out)};
}

std::string write_locations(const locations& l) {
  auto files = json::array();
  for (const auto& f : l.files) {
    auto entry = json{{"path", f.path.string()}};
    if (f.stamp) {
      entry["bytes"] = f.stamp->bytes;
      entry["device"] = f.stamp->device;
      entry["inode"] = f.stamp->inode;
      if (f.content.empty())
        entry["modified_ns"] = fmt::format("{}", f.stamp->modified_ns);
      else
        entry["content"] = f.content;
    }
    files.push_back(std::move(entry));
  }
  auto stored = json::object();
  for (const auto& [name, f] : l.stored) {
    auto runs = json::array();
    for (const auto& r : f.runs) {
      auto list = json::array({r.at, r.bytes, r.file, r.offset});
      if (r.count != 1)
        for (const auto n : {r.count, r.at_step, r.offset_step})
          list.push_back(n);
      runs.push_back(std::move(list));
    }
    stored[name] = {{"bytes", f.bytes}, {"runs", std::move(runs)}};
  }
  const auto out = json{{"version", format_version},
                        {"source", l.source},
                        {"files", std::move(files)},
                        {"stored", std::move(stored)}};
  // Paths need not be UTF-8; one that is not cannot be found again, and is looked for anew.
  return out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace larql::vindex

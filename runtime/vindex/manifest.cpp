#include "runtime/vindex/manifest.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::vindex {

namespace {

constexpr std::uint64_t any = ~std::uint64_t{0};

result<json> parse_array(std::string_view text, std::string_view name) {
  LARQL_TRY(auto parsed, parse_json(text, name));
  if (!parsed.is_array())
    return fail(errc::corrupt, "{}: expected a JSON array, found {}", name, parsed.type_name());
  return parsed;
}

// The file that entries point into.
struct data_file {
  std::string name;
  std::uint64_t bytes;
};

// "x_manifest.json" describes "x.bin".
std::string described_by(std::string_view manifest) {
  constexpr auto suffix = std::string_view{"_manifest.json"};
  if (manifest.ends_with(suffix))
    manifest.remove_suffix(suffix.size());
  return std::string{manifest.substr(manifest.rfind('/') + 1)} + ".bin";
}

result<void> check_inside(const json_fields& f, std::uint64_t offset, std::uint64_t length,
                          const data_file& data) {
  if (offset > data.bytes || length > data.bytes - offset)
    return fail(errc::corrupt,
                "{}: offset {} + length {} is past the end of {}, which has {} bytes", f.where(),
                offset, length, data.name, data.bytes);
  return {};
}

result<matrix_entry> parse_matrix(const json_fields& f, const data_file& data) {
  auto out = matrix_entry{};
  LARQL_TRY(out.key, f.string("key"));
  LARQL_TRY(const json* shape, f.array("shape"));
  if (shape->size() != 2 || !(*shape)[0].is_number_unsigned() || !(*shape)[1].is_number_unsigned())
    return fail(errc::corrupt, "{} ({}): field \"shape\" is {}, expected [rows, columns]",
                f.where(), out.key, shape->dump(-1, ' ', true, json::error_handler_t::replace));
  const auto rows = (*shape)[0].get<std::uint64_t>();
  const auto cols = (*shape)[1].get<std::uint64_t>();
  if (rows == 0 || rows > max_vocab || cols == 0 || cols > max_width * std::uint64_t{64})
    return fail(errc::corrupt, "{} ({}): field \"shape\" is [{}, {}], out of range", f.where(),
                out.key, rows, cols);
  out.rows = static_cast<std::uint32_t>(rows);
  out.cols = static_cast<std::uint32_t>(cols);
  LARQL_TRY(const auto format, f.string("format"));
  const auto known = quant::encoding_from_name(format);
  if (!known)
    return fail(errc::unsupported, "{} ({}): field \"format\" is \"{}\", which is not known",
                f.where(), out.key, format);
  out.format = *known;
  if (cols % quant::shape_of(out.format).weights != 0)
    return fail(errc::corrupt, "{} ({}): {} columns are not a whole number of {} blocks of {}",
                f.where(), out.key, cols, format, quant::shape_of(out.format).weights);
  LARQL_TRY(out.offset, f.unsigned_integer("offset", any));
  LARQL_TRY(out.length, f.unsigned_integer("length", any));
  const auto expected = quant::row_bytes(out.format, cols) * rows;
  if (out.length != expected)
    return fail(errc::corrupt, "{} ({}): field \"length\" is {}, expected {} for {} [{}, {}]",
                f.where(), out.key, out.length, expected, format, rows, cols);
  LARQL_TRY_VOID(check_inside(f, out.offset, out.length, data));
  return out;
}

} // namespace

result<std::vector<matrix_entry>>
parse_matrix_manifest(std::string_view text, std::string_view name, std::uint64_t data_bytes) {
  LARQL_TRY(const auto array, parse_array(text, name));
  const auto data = data_file{described_by(name), data_bytes};
  auto out = std::vector<matrix_entry>{};
  for (const auto& item : array) {
    const auto where = fmt::format("{}: entry {}", name, out.size());
    LARQL_TRY(auto entry, parse_matrix(json_fields{item, where}, data));
    out.push_back(std::move(entry));
  }
  return out;
}

result<std::vector<matrix_entry>> read_matrix_manifest(const std::filesystem::path& manifest,
                                                       std::uint64_t data_bytes) {
  LARQL_TRY(const auto text, read_text_file(manifest, max_json_bytes));
  return parse_matrix_manifest(text, manifest.string(), data_bytes);
}

result<std::unordered_map<std::string, vector_entry>>
parse_vector_manifest(std::string_view text, std::string_view name, std::uint64_t data_bytes) {
  LARQL_TRY(const auto array, parse_array(text, name));
  const auto data = data_file{std::string{norms_file}, data_bytes};
  auto out = std::unordered_map<std::string, vector_entry>{};
  auto index = std::size_t{0};
  for (const auto& item : array) {
    const auto f = json_fields{item, fmt::format("{}: entry {}", name, index++)};
    LARQL_TRY(const auto key, f.string("key"));
    LARQL_TRY(const auto kind, f.string("kind"));
    const auto in_norms = f.has("file") && item.at("file") == std::string{norms_file};
    if (kind != "vector" || !in_norms)
      continue; // other kinds serve tools that this program does not have
    auto entry = vector_entry{};
    LARQL_TRY(entry.offset, f.unsigned_integer("offset", any));
    LARQL_TRY(const auto length, f.unsigned_integer("length", any));
    if (length % sizeof(float) != 0 || entry.offset % sizeof(float) != 0)
      return fail(errc::corrupt, "{} ({}): offset {} and length {} are not multiples of 4",
                  f.where(), key, entry.offset, length);
    LARQL_TRY_VOID(check_inside(f, entry.offset, length, data));
    entry.count = length / sizeof(float);
    const auto [it, is_new] = out.emplace(key, entry);
    if (!is_new && it->second.count != entry.count)
      return fail(errc::corrupt, "{}: key \"{}\" occurs twice, with {} and {} floats", f.where(),
                  key, it->second.count, entry.count);
  }
  return out;
}

result<std::unordered_map<std::string, vector_entry>>
read_vector_manifest(const std::filesystem::path& manifest, std::uint64_t data_bytes) {
  LARQL_TRY(const auto text, read_text_file(manifest, max_json_bytes));
  return parse_vector_manifest(text, manifest.string(), data_bytes);
}

std::string write_matrix_manifest(const std::vector<matrix_entry>& entries) {
  auto out = json::array();
  for (const auto& e : entries)
    out.push_back({{"key", e.key},
                   {"shape", {e.rows, e.cols}},
                   {"format", std::string{quant::name_of(e.format)}},
                   {"offset", e.offset},
                   {"length", e.length}});
  return out.dump(1) + "\n";
}

std::string write_vector_manifest(const std::vector<named_vector>& entries) {
  auto out = json::array();
  for (const auto& [key, e] : entries)
    out.push_back({{"key", key},
                   {"kind", "vector"},
                   {"shape", {e.count}},
                   {"offset", e.offset},
                   {"length", e.count * sizeof(float)},
                   {"file", std::string{norms_file}}});
  return out.dump(1) + "\n";
}

} // namespace larql::vindex

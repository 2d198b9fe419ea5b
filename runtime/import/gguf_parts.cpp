#include "runtime/import/gguf_parts.hpp"

#include "runtime/base/held_bytes.hpp"
#include "runtime/base/parse_number.hpp"
#include "runtime/import/gguf_types.hpp"

#include <algorithm>
#include <cstring>

namespace larql::import {

namespace {

namespace fs = std::filesystem;
using quant::encoding;

result<void> check_number(const gguf_file& part, std::size_t index) {
  const auto m = part.metadata();
  if (!m.has("split.no"))
    return {};
  LARQL_TRY(const auto number, m.unsigned_integer("split.no"));
  return number == index ? result<void>{}
                         : fail(errc::corrupt, "{}: key \"split.no\" is {}, expected {}",
                                m.file_name(), number, index);
}

result<void> check_count(const gguf_file& first, std::size_t parts) {
  const auto m = first.metadata();
  if (!m.has("split.count"))
    return {};
  LARQL_TRY(const auto count, m.unsigned_integer("split.count"));
  if (count <= 1 || count == parts)
    return {};
  return parts == 1 ? fail(errc::corrupt,
                           "{}: is one of {} parts, but its name does not end in "
                           "-NNNNN-of-NNNNN.gguf",
                           m.file_name(), count)
                    : fail(errc::corrupt, "{}: key \"split.count\" is {}, but there are {} files",
                           m.file_name(), count, parts);
}

std::vector<fs::path> names_of_parts(const fs::path& path) {
  auto out = std::vector<fs::path>{};
  if (const auto split = parse_split_name(path))
    for (auto i = 1u; i <= split->parts; ++i)
      out.push_back(path.parent_path() /
                    fmt::format("{}-{:05}-of-{:05}.gguf", split->stem, i, split->parts));
  else
    out.push_back(path);
  return out;
}

// A pull fetches what is needed of its files and knows what they hold; anybody else would take
// holes for zeros.
result<void> check_whole(const fs::path& path) {
  LARQL_TRY(const auto held, read_held(path));
  auto error = std::error_code{};
  const auto bytes = fs::file_size(path, error);
  if (!held || error || held->bytes() == bytes)
    return {};
  return fail(errc::mismatch,
              "{}: {} of {} bytes are there: a pull has fetched a part of it; `larql pull` fetches "
              "the rest",
              path.string(), held->bytes(), bytes);
}

} // namespace

std::optional<split_name> parse_split_name(const fs::path& path) {
  const auto name = path.filename().string();
  constexpr auto tail = std::string_view{"-00000-of-00000.gguf"};
  if (name.size() <= tail.size())
    return std::nullopt;
  const auto t = std::string_view{name}.substr(name.size() - tail.size());
  const auto part = parse_number<unsigned>(t.substr(1, 5));
  const auto parts = parse_number<unsigned>(t.substr(10, 5));
  if (t[0] != '-' || t.substr(6, 4) != "-of-" || t.substr(15) != ".gguf" || !part || !parts ||
      *part == 0 || *part > *parts)
    return std::nullopt;
  return split_name{name.substr(0, name.size() - tail.size()), *parts};
}

result<std::vector<gguf_file>> open_gguf_parts(const std::vector<fs::path>& paths) {
  auto out = std::vector<gguf_file>{};
  for (const auto& path : paths) {
    LARQL_TRY(auto part, gguf_file::open(path));
    out.push_back(std::move(part));
  }
  LARQL_TRY_VOID(check_count(out.front(), out.size()));
  for (auto i = std::size_t{0}; i < out.size(); ++i)
    LARQL_TRY_VOID(check_number(out[i], i));
  return out;
}

result<std::vector<gguf_file>> open_whole_gguf(const fs::path& path) {
  LARQL_TRY(auto out, open_gguf_parts(names_of_parts(path)));
  for (const auto& part : out)
    LARQL_TRY_VOID(check_whole(part.path()));
  return out;
}

result<source_tensor> read_gguf_tensor(const gguf_file& file, std::uint32_t part,
                                       const gguf_tensor& t) {
  const auto format = encoding_of_ggml_type(t.type);
  if (!format)
    return fail(errc::unsupported,
                "{}: tensor \"{}\" is {}, which is not supported; supported are {}. Take another "
                "file of the model, or make one from it with `llama-quantize --allow-requantize`",
                file.path().string(), t.name, shown_ggml_type(t.type), supported_ggml_types());
  auto out = source_tensor{};
  out.name = t.name;
  out.format = *format == encoding::q6_k ? encoding::q6_k_ggml : *format;
  out.shape.assign(t.dims.rbegin(), t.dims.rend());
  const auto block = quant::shape_of(out.format).weights;
  if (out.cols() % block != 0)
    return fail(errc::corrupt,
                "{}: tensor \"{}\" has rows of {} {} weights, not whole blocks of {}",
                file.path().string(), t.name, out.cols(), quant::name_of(out.format), block);
  LARQL_TRY(out.data, file.data(t, out.rows() * quant::row_bytes(out.format, out.cols())));
  out.part = part;
  out.offset = file.head().data_offset + t.offset;
  return out;
}

result<void> take_rope_divisors(checkpoint& c, std::uint32_t head_dim, double& partial_rotary) {
  const auto it = c.tensors.find("rope_freqs.weight");
  if (it == c.tensors.end())
    return {}; // the family's 0.25 holds
  const auto& t = it->second;
  const auto half = head_dim / 2;
  if (t.format != encoding::f32 || t.shape != std::vector<std::uint64_t>{half})
    return fail(errc::corrupt, "{}: tensor \"rope_freqs.weight\" is not F32 [{}]", c.description,
                half);
  auto values = std::vector<float>(half);
  std::memcpy(values.data(), t.data.data(), t.data.size());
  const auto pairs = static_cast<std::size_t>(
      std::find_if(values.begin(), values.end(), [](float x) { return x != 1; }) - values.begin());
  if (pairs == 0 || !std::all_of(values.begin() + static_cast<std::ptrdiff_t>(pairs), values.end(),
                                 [](float x) { return x >= 1e20f; }))
    return fail(errc::unsupported,
                "{}: tensor \"rope_freqs.weight\" is not ones followed by numbers above 1e20",
                c.description);
  partial_rotary = static_cast<double>(pairs) / half;
  c.tensors.erase(it);
  return {};
}

} // namespace larql::import

#include "runtime/import/gguf_checkpoint.hpp"

#include "runtime/base/held_bytes.hpp"
#include "runtime/base/parse_number.hpp"
#include "runtime/import/gguf.hpp"
#include "runtime/import/gguf_config.hpp"
#include "runtime/import/gguf_names.hpp"
#include "runtime/import/gguf_tokenizer.hpp"
#include "runtime/import/gguf_types.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <optional>

namespace larql::import {

namespace {

namespace fs = std::filesystem;
using quant::encoding;

// ---- files --------------------------------------------------------------------------------------

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

result<std::vector<gguf_file>> open_parts(const std::vector<fs::path>& paths) {
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

// ---- tensors ------------------------------------------------------------------------------------

result<source_tensor> read_tensor(const gguf_file& file, std::uint32_t part, const gguf_tensor& t) {
  const auto format = encoding_of_ggml_type(t.type);
  if (!format)
    return fail(errc::unsupported,
                "{}: tensor \"{}\" is {}, which is not supported; supported are {}. Take another "
                "file of the model, or make one from it with `llama-quantize --allow-requantize`",
                file.path().string(), t.name, shown_ggml_type(t.type), supported_ggml_types());
  auto out = source_tensor{};
  out.name = t.name;
  out.format = *format;
  out.ggml_q6k = *format == encoding::q6_k;
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

// What has no place here may belong to the text model, so it is not left out.
result<void> read_tensors(const std::vector<gguf_file>& parts, checkpoint& out) {
  for (auto p = 0u; p < parts.size(); ++p) {
    const auto& part = parts[p];
    for (const auto& t : part.head().tensors) {
      if (is_of_other_part(t.name)) {
        out.skipped.emplace_back(t.name);
        continue;
      }
      const auto key = vindex_key(t.name, out.config.layers);
      if (key.empty())
        return fail(errc::unsupported,
                    "{}: tensor \"{}\" is none of a Gemma 4 mixture-of-experts model of {} layers",
                    part.path().string(), t.name, out.config.layers);
      LARQL_TRY(auto tensor, read_tensor(part, p, t));
      if (!out.tensors.emplace(key, std::move(tensor)).second)
        return fail(errc::corrupt, "{}: tensor \"{}\" occurs in two parts", part.path().string(),
                    t.name);
    }
  }
  return {};
}

// A scale is a factor of its matrix; alone it would be left out.
result<void> check_scales(const checkpoint& c) {
  constexpr auto ending = std::string_view{".scale"};
  for (const auto& [key, t] : c.tensors) {
    if (!key.ends_with(ending) || key.ends_with("router.scale"))
      continue;
    const auto matrix = key.substr(0, key.size() - ending.size());
    if (!c.tensors.contains(matrix) && !c.tensors.contains(matrix + ".weight"))
      return fail(errc::unsupported, "{}: tensor \"{}\" scales a matrix that is not there",
                  c.description, t.name);
    if (quant::shape_of(t.format).weights != 1)
      return fail(errc::unsupported, "{}: tensor \"{}\" is {}, expected F32, F16 or BF16",
                  c.description, t.name, quant::name_of(t.format));
  }
  return {};
}

// rope_freqs divides the base frequency of each pair of a full layer: ones, then "infinity".
result<void> read_rope_divisors(checkpoint& out) {
  const auto it = out.tensors.find("rope_freqs.weight");
  if (it == out.tensors.end())
    return {}; // the family's 0.25 holds
  const auto& t = it->second;
  const auto half = out.config.global_head_dim / 2;
  if (t.format != encoding::f32 || t.shape != std::vector<std::uint64_t>{half})
    return fail(errc::corrupt, "{}: tensor \"rope_freqs.weight\" is not F32 [{}]", out.description,
                half);
  auto values = std::vector<float>(half);
  std::memcpy(values.data(), t.data.data(), t.data.size());
  const auto pairs = static_cast<std::size_t>(
      std::find_if(values.begin(), values.end(), [](float x) { return x != 1; }) - values.begin());
  if (pairs == 0 || !std::all_of(values.begin() + static_cast<std::ptrdiff_t>(pairs), values.end(),
                                 [](float x) { return x >= 1e20f; }))
    return fail(errc::unsupported,
                "{}: tensor \"rope_freqs.weight\" is not ones followed by numbers above 1e20",
                out.description);
  out.config.partial_rotary = static_cast<double>(pairs) / half;
  out.tensors.erase(it);
  return {};
}

result<void> read_shapes(const gguf_metadata& metadata, checkpoint& out) {
  const auto& c = out.config;
  const auto embeddings = out.tensors.find("embed_tokens.weight");
  if (embeddings == out.tensors.end() || embeddings->second.shape.size() != 2)
    return fail(errc::corrupt, "{}: tensor \"token_embd.weight\" is missing or no matrix",
                out.description);
  if (embeddings->second.rows() > vindex::max_vocab)
    return fail(errc::corrupt, "{}: tensor \"token_embd.weight\" has {} rows, at most {} expected",
                out.description, embeddings->second.rows(), vindex::max_vocab);
  out.config.vocab = static_cast<std::uint32_t>(embeddings->second.rows());
  const auto down = out.tensors.find("layers.0.experts.down_proj");
  if (down == out.tensors.end() || down->second.cols() > vindex::max_width)
    return fail(errc::unsupported,
                "{}: tensor \"blk.0.ffn_down_exps.weight\" is missing or too wide; only "
                "mixture-of-experts models are supported",
                out.description);
  out.config.expert_width = static_cast<std::uint32_t>(down->second.cols());
  if (const auto key = gguf_key("expert_feed_forward_length"); metadata.has(key)) {
    LARQL_TRY(const auto width, metadata.unsigned_integer(key));
    if (width != out.config.expert_width)
      return fail(errc::mismatch, "{}: key \"{}\" is {}, but the rows of \"{}\" have {} weights",
                  out.description, key, width, down->second.name, out.config.expert_width);
  }
  for (auto l = 0u; l < c.layers; ++l)
    if (!c.sliding[l] && !out.tensors.contains(fmt::format("layers.{}.self_attn.v_proj.weight", l)))
      out.config.k_eq_v = true;
  return {};
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

result<checkpoint> open_gguf(const fs::path& path, const gguf_options& options) {
  const auto pulled = !options.parts.empty();
  LARQL_TRY(auto opened, open_parts(pulled ? options.parts : names_of_parts(path)));
  if (!pulled)
    for (const auto& part : opened)
      LARQL_TRY_VOID(check_whole(part.path()));
  const auto parts = std::make_shared<std::vector<gguf_file>>(std::move(opened));
  auto out = checkpoint{};
  out.owner = parts;
  out.description = parts->front().path().string();
  for (const auto& part : *parts) {
    auto error = std::error_code{};
    const auto time = fs::last_write_time(part.path(), error).time_since_epoch().count();
    out.fingerprint += fmt::format("{}:{}:{};", part.path().filename().string(),
                                   fs::file_size(part.path(), error), time);
    out.parts.push_back(
        {fs::absolute(part.path(), error).lexically_normal(), part.stamp(), part.head_digest()});
  }
  const auto metadata = parts->front().metadata();
  LARQL_TRY(out.config, read_gguf_config(metadata));
  LARQL_TRY_VOID(read_tensors(*parts, out));
  LARQL_TRY_VOID(check_scales(out));
  LARQL_TRY_VOID(read_rope_divisors(out));
  LARQL_TRY_VOID(read_shapes(metadata, out));
  LARQL_TRY_VOID(vindex::check_config(out.config, out.description));
  if (!options.texts)
    return out;
  LARQL_TRY(auto texts, tokenizer_files(metadata, out.config.vocab));
  out.files = std::move(texts.files);
  out.notes = std::move(texts.notes);
  return out;
}

} // namespace larql::import

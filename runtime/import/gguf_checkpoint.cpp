#include "runtime/import/gguf_checkpoint.hpp"

#include "runtime/import/gguf.hpp"
#include "runtime/import/gguf_config.hpp"
#include "runtime/import/gguf_names.hpp"
#include "runtime/import/gguf_parts.hpp"
#include "runtime/import/gguf_tokenizer.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <optional>

namespace larql::import {

namespace {

namespace fs = std::filesystem;

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
      LARQL_TRY(auto tensor, read_gguf_tensor(part, p, t));
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

result<checkpoint> open_gguf(const fs::path& path, const gguf_options& options) {
  const auto pulled = !options.parts.empty();
  LARQL_TRY(auto opened, pulled ? open_gguf_parts(options.parts) : open_whole_gguf(path));
  const auto parts = std::make_shared<std::vector<gguf_file>>(std::move(opened));
  auto out = checkpoint{};
  out.owner = parts;
  out.description = parts->front().path().string();
  for (const auto& part : *parts) {
    auto error = std::error_code{};
    out.fingerprint += stamp_of(part.path());
    out.parts.push_back(
        {fs::absolute(part.path(), error).lexically_normal(), part.stamp(), part.head_digest()});
  }
  const auto metadata = parts->front().metadata();
  LARQL_TRY(out.config, read_gguf_config(metadata));
  LARQL_TRY_VOID(read_tensors(*parts, out));
  LARQL_TRY_VOID(check_scales(out));
  LARQL_TRY_VOID(take_rope_divisors(out, out.config.global_head_dim, out.config.partial_rotary));
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

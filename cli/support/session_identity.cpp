#include "cli/support/session_identity.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/hash_stored.hpp"
#include "runtime/vindex/manifest.hpp"
#include "runtime/vindex/storage.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

// The manifest that says how the matrices of a file are stored; none for files of one encoding that
// every vindex has.
std::string_view manifest_of(std::string_view name) {
  for (const auto& [file, manifest] :
       {std::pair{vindex::attention_file, vindex::attention_manifest_file},
        std::pair{vindex::dense_file, vindex::dense_manifest_file},
        std::pair{vindex::embeddings_any_file, vindex::embeddings_any_manifest_file},
        std::pair{vindex::head_any_file, vindex::head_any_manifest_file}})
    if (name == file)
      return manifest;
  return {};
}

// All bytes of a file in their order: the matrices of its manifest, and what is between them.
result<std::vector<vindex::encoded_range>> parts_of(const fs::path& dir, std::string_view name,
                                                    std::uint64_t bytes) {
  auto entries = std::vector<vindex::matrix_entry>{};
  if (const auto manifest = manifest_of(name); !manifest.empty()) {
    LARQL_TRY(entries, vindex::read_matrix_manifest(dir / manifest, bytes));
  }
  std::ranges::sort(entries, {}, &vindex::matrix_entry::offset);
  auto out = std::vector<vindex::encoded_range>{};
  auto at = std::uint64_t{0};
  const auto add = [&](std::uint64_t to, quant::encoding format) {
    if (at < to)
      out.push_back({at, to - at, format});
    at = std::max(at, to);
  };
  for (const auto& e : entries)
    if (e.offset >= at) { // the same matrix may have two names
      add(e.offset, quant::encoding::f32);
      add(e.offset + e.length, e.format);
    }
  add(bytes, quant::encoding::f32);
  return out;
}

// Of the numbers that a file of the vindex stands for, wherever they lie.
result<sha256_digest> hash_stored(const fs::path& dir, std::string_view name,
                                  const vindex::stored_file& in, const std::stop_token& stop) {
  LARQL_TRY(const auto parts, parts_of(dir, name, in.size_bytes()));
  auto hash = sha256{};
  for (const auto& part : parts)
    LARQL_TRY_VOID(vindex::hash_as_in_vindex(
        in, part, hash, [&](std::uint64_t) { return !stop.stop_requested(); }));
  return hash.finish();
}

class part_digests {
public:
  [[nodiscard]] static result<part_digests> open(const fs::path& dir, const std::stop_token& stop) {
    LARQL_TRY(auto files, vindex::storage::open(dir));
    LARQL_TRY(auto sums, vindex::read_checksums(dir));
    return part_digests{std::move(files), std::move(sums), stop};
  }

  // Adds the names and digests of those of these files that there are.
  result<void> add(sha256& to, std::span<const std::string_view> names) const {
    for (const auto name : names) {
      LARQL_TRY(const auto exists, files_.has(name));
      if (!exists)
        continue;
      LARQL_TRY(const auto digest, digest_of(name));
      to.update(std::as_bytes(std::span{name}));
      to.update(digest);
    }
    return {};
  }

private:
  part_digests(vindex::storage files, std::optional<vindex::checksums> sums,
               const std::stop_token& stop)
      : files_(std::move(files)), sums_(std::move(sums)), stop_(stop) {}

  [[nodiscard]] result<sha256_digest> digest_of(std::string_view name) const {
    LARQL_TRY(const auto in, files_.open_file(name));
    if (sums_)
      if (const auto known = sums_->files.find(std::string{name});
          known != sums_->files.end() && known->second.bytes == in.size_bytes())
        return known->second.sha256;
    return hash_stored(files_.dir(), name, in, stop_);
  }

  vindex::storage files_;
  std::optional<vindex::checksums> sums_;
  std::stop_token stop_;
};

} // namespace

result<schema::session_open> session_identity(const fs::path& dir,
                                              const vindex::model_config& model,
                                              gemma4::kv_format kv, const std::stop_token& stop) {
  using names = std::array<std::string_view, 4>;
  LARQL_TRY(const auto parts, part_digests::open(dir, stop));
  LARQL_TRY(const auto numbers, vindex::fingerprint(dir, model));
  auto out = schema::session_open{};
  auto dense = sha256{};
  dense.update(numbers);
  LARQL_TRY_VOID(parts.add(dense, std::array{vindex::attention_file, vindex::dense_file}));
  out.dense = dense.finish();
  auto head = sha256{};
  LARQL_TRY_VOID(parts.add(head, names{vindex::embeddings_file, vindex::embeddings_any_file,
                                       vindex::head_q4_file, vindex::head_any_file}));
  out.head = head.finish();
  auto tokenizer = sha256{};
  LARQL_TRY_VOID(
      parts.add(tokenizer, std::array{vindex::tokenizer_file, vindex::generation_config_file}));
  out.tokenizer = tokenizer.finish();
  auto format = sha256{};
  LARQL_TRY_VOID(parts.add(format, std::array{vindex::chat_template_file}));
  out.chat_template = format.finish();
  out.kv = kv == gemma4::kv_format::f32 ? schema::session_kv::f32 : schema::session_kv::f16;
  return out;
}

} // namespace larql::cli

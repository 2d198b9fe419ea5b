#include "cli/support/session_identity.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/storage.hpp"

#include <algorithm>
#include <array>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

constexpr auto piece_bytes = std::size_t{1} << 20;

// Of the bytes that a file of the vindex stands for, wherever they lie.
result<sha256_digest> hash_stored(const vindex::stored_file& in, const std::stop_token& stop) {
  auto hash = sha256{};
  auto buffer = std::vector<std::byte>(piece_bytes);
  for (auto at = std::uint64_t{0}; at < in.size_bytes();) {
    if (stop.stop_requested())
      return fail(errc::cancelled, "{}: its digest was not finished", in.path().string());
    const auto n = std::min<std::uint64_t>(piece_bytes, in.size_bytes() - at);
    const auto piece = std::span{buffer}.first(static_cast<std::size_t>(n));
    LARQL_TRY_VOID(in.read(at, piece));
    hash.update(piece);
    at += n;
  }
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
    return hash_stored(in, stop_);
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

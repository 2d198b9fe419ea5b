#include "runtime/generate/prompt_file.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/base/file_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace larql::generate {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic{"LARQLKV\x01", 8};
constexpr std::size_t fixed_bytes = 8 + 4 + 4 + 32 + 32 + 4;
constexpr std::size_t layer_bytes = 4 + 4 + 8;
constexpr std::size_t digest_bytes = 32;
constexpr std::uint32_t most_layers = 1024;
constexpr std::uint32_t most_tokens = 1u << 24;
constexpr std::uint32_t most_makers = 1u << 16;

/// A file of ours that nobody else can read or write.
class private_file {
public:
  static result<private_file> open(const fs::path& path) {
    auto out = private_file{};
    out.path_ = path.string();
    out.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat s {};
    if (out.fd_ < 0 || ::fstat(out.fd_, &s) != 0)
      return fail(errno == ENOENT ? errc::not_found : errc::io, "{}: {}", out.path_,
                  std::strerror(errno));
    if (!S_ISREG(s.st_mode) || s.st_uid != ::geteuid() || (s.st_mode & 077) != 0)
      return fail(errc::usage, "{}: expected a file that its owner alone may use", out.path_);
    out.bytes_ = static_cast<std::uint64_t>(s.st_size);
    return out;
  }
  private_file(private_file&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}
  private_file& operator=(private_file&&) = delete;
  ~private_file() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// The next bytes.
  result<void> read(std::span<std::byte> to) {
    while (!to.empty()) {
      const auto n = ::read(fd_, to.data(), to.size());
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return fail(errc::io, "{}: {}", path_, std::strerror(errno));
      if (n == 0)
        return fail(errc::corrupt, "{}: ends {} bytes too early", path_, to.size());
      to = to.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

private:
  private_file() = default;
  std::string path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

struct layer_head {
  std::uint32_t first_block = 0;
  std::uint32_t blocks = 0;
  std::uint64_t block_bytes = 0;
};

struct whole_head {
  prompt_file_head said;
  std::vector<layer_head> layers;
};

sha256_digest digest_of(std::span<const std::byte> bytes) {
  auto h = sha256{};
  h.update(bytes);
  return h.finish();
}

sha256_digest digest_at(std::span<const std::byte> from, std::size_t at) {
  auto out = sha256_digest{};
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(at), out.size(), out.begin());
  return out;
}

std::vector<std::byte> encode_head(const prompt_file_id& id, const sequence::prefix& p,
                                   std::span<const std::uint64_t> makers) {
  auto out = std::vector<std::byte>{};
  append_bytes(out, magic.data(), magic.size());
  append_u32(out, static_cast<std::uint32_t>(p.kv.layers.size()));
  append_u32(out, static_cast<std::uint32_t>(p.tokens.size()));
  append_bytes(out, id.model.data(), id.model.size());
  append_bytes(out, id.owner.data(), id.owner.size());
  append_u32(out, static_cast<std::uint32_t>(makers.size()));
  for (const auto& l : p.kv.layers) {
    append_u32(out, l.first_block);
    append_u32(out, static_cast<std::uint32_t>(l.blocks.size()));
    append_u64(out, l.blocks.empty() ? 0 : l.blocks.front()->size_bytes());
  }
  append_bytes(out, p.tokens.data(), p.tokens.size() * sizeof(std::uint32_t));
  for (const auto m : makers)
    append_u64(out, m);
  const auto digest = digest_of(out);
  append_bytes(out, digest.data(), digest.size());
  return out;
}

// The sizes of the layers are plausible only; whoever reads them compares them with the model.
result<whole_head> read_head(private_file& in) {
  auto bytes = std::vector<std::byte>(fixed_bytes);
  LARQL_TRY_VOID(in.read(bytes));
  if (std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    return fail(errc::corrupt, "{}: does not begin as a cached prompt does", in.path());
  const auto layers = load_u32(bytes, 8), tokens = load_u32(bytes, 12);
  const auto makers = load_u32(bytes, fixed_bytes - 4);
  if (layers == 0 || layers > most_layers || tokens == 0 || tokens > most_tokens)
    return fail(errc::corrupt, "{}: {} layers and {} tokens, expected 1 to {} and 1 to {}",
                in.path(), layers, tokens, most_layers, most_tokens);
  if (makers > most_makers)
    return fail(errc::corrupt, "{}: made by {} nodes, expected at most {}", in.path(), makers,
                most_makers);
  const auto tokens_at = fixed_bytes + layers * layer_bytes;
  const auto makers_at = tokens_at + std::size_t{tokens} * 4;
  const auto rest = makers_at + std::size_t{makers} * 8 + digest_bytes - fixed_bytes;
  if (in.bytes() < fixed_bytes + rest)
    return fail(errc::corrupt, "{}: {} bytes, too few for {} layers and {} tokens", in.path(),
                in.bytes(), layers, tokens);
  bytes.resize(fixed_bytes + rest);
  LARQL_TRY_VOID(in.read(std::span{bytes}.subspan(fixed_bytes)));
  const auto said = bytes.size() - digest_bytes;
  if (digest_of(std::span{bytes}.first(said)) != digest_at(bytes, said))
    return fail(errc::corrupt, "{}: its beginning is not what its SHA-256 says", in.path());
  auto out = whole_head{};
  out.said.id = {digest_at(bytes, 16), digest_at(bytes, 48)};
  out.said.bytes = in.bytes();
  auto payload = std::uint64_t{0};
  for (auto l = std::size_t{0}; l < layers; ++l) {
    const auto at = fixed_bytes + l * layer_bytes;
    const auto h =
        layer_head{load_u32(bytes, at), load_u32(bytes, at + 4), load_u64(bytes, at + 8)};
    if (h.block_bytes > in.bytes() || h.blocks * h.block_bytes > in.bytes())
      return fail(errc::corrupt, "{}: layer {}: {} blocks of {} bytes in a file of {}", in.path(),
                  l, h.blocks, h.block_bytes, in.bytes());
    payload += h.blocks * h.block_bytes;
    out.layers.push_back(h);
  }
  if (bytes.size() + payload + digest_bytes != in.bytes())
    return fail(errc::corrupt, "{}: {} bytes, expected {}", in.path(), in.bytes(),
                bytes.size() + payload + digest_bytes);
  out.said.tokens.resize(tokens);
  std::memcpy(out.said.tokens.data(), bytes.data() + tokens_at, std::size_t{tokens} * 4);
  for (auto i = std::size_t{0}; i < makers; ++i)
    out.said.makers.push_back(load_u64(bytes, makers_at + i * 8));
  return out;
}

result<gemma4::kv_prefix> read_blocks(private_file& in, const whole_head& head,
                                      gemma4::kv_cache& cache) {
  const auto end = static_cast<std::uint32_t>(head.said.tokens.size());
  const auto shape = cache.shape_of_prefix(end);
  if (shape.size() != head.layers.size())
    return fail(errc::corrupt, "{}: {} layers, expected {}", in.path(), head.layers.size(),
                shape.size());
  auto out = gemma4::kv_prefix{};
  out.end = end;
  auto hash = sha256{};
  for (auto l = std::size_t{0}; l < shape.size(); ++l) {
    const auto& h = head.layers[l];
    if (h.blocks > shape[l].blocks || (h.blocks != 0 && h.block_bytes != shape[l].block_bytes))
      return fail(errc::corrupt, "{}: layer {}: {} blocks of {} bytes, expected at most {} of {}",
                  in.path(), l, h.blocks, h.block_bytes, shape[l].blocks, shape[l].block_bytes);
    auto& layer = out.layers.emplace_back();
    layer.first_block = h.first_block;
    for (auto b = 0u; b < h.blocks; ++b) {
      LARQL_TRY(auto block, cache.pool()->take(shape[l].block_bytes));
      const auto bytes = std::span{block->data(), block->size_bytes()};
      LARQL_TRY_VOID(in.read(bytes));
      hash.update(bytes);
      layer.blocks.push_back(std::move(block));
    }
  }
  auto said = sha256_digest{};
  LARQL_TRY_VOID(in.read(said));
  if (hash.finish() != said)
    return fail(errc::corrupt, "{}: its keys and values are not what their SHA-256 says",
                in.path());
  if (!cache.can_adopt(out))
    return fail(errc::corrupt, "{}: its blocks do not hold the window of {} tokens", in.path(),
                end);
  return out;
}

} // namespace

result<void> write_prompt_file(const fs::path& path, const prompt_file_id& id,
                               const sequence::prefix& p, std::span<const std::uint64_t> makers) {
  if (makers.size() > most_makers)
    return fail(errc::unsupported, "{}: made by {} nodes, more than the {} that fit a file",
                path.string(), makers.size(), most_makers);
  LARQL_TRY(auto out, file_writer::create(path, file_access::owner_only));
  LARQL_TRY_VOID(out.write(encode_head(id, p, makers)));
  auto hash = sha256{};
  for (const auto& l : p.kv.layers)
    for (const auto& b : l.blocks) {
      const auto bytes = std::span{std::as_const(*b).data(), b->size_bytes()};
      hash.update(bytes);
      LARQL_TRY_VOID(out.write(bytes));
    }
  LARQL_TRY_VOID(out.write(hash.finish()));
  return out.commit();
}

result<prompt_file_head> read_prompt_head(const fs::path& path) {
  LARQL_TRY(auto in, private_file::open(path));
  LARQL_TRY(auto head, read_head(in));
  return std::move(head.said);
}

result<void> read_prompt_file(const fs::path& path, const prompt_file_id& id, sequence& into,
                              const experts::maker_ledger* ledger) {
  LARQL_CHECK(into.size() == 0);
  LARQL_TRY(auto in, private_file::open(path));
  LARQL_TRY(auto head, read_head(in));
  if (head.said.id != id)
    return fail(errc::mismatch, "{}: of another model, format or owner", in.path());
  if (head.said.tokens.size() > into.max_context())
    return fail(errc::mismatch, "{}: {} tokens, more than the context of {}", in.path(),
                head.said.tokens.size(), into.max_context());
  LARQL_TRY(auto kv, read_blocks(in, head, into.cache()));
  auto made = sequence::origin{0, {}, experts::maker_ledger::time::clock::now()};
  if (ledger != nullptr)
    for (const auto m : head.said.makers)
      made.from.makers |= ledger->set_of(m);
  auto p = sequence::prefix{std::move(head.said.tokens), std::move(kv)};
  if (made.from.makers != 0)
    p.origins.push_back(made);
  into.adopt(std::move(p));
  return {};
}

} // namespace larql::generate

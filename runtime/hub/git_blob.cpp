#include "runtime/hub/git_blob.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/sha256.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace larql::hub {

namespace {

constexpr std::size_t chunk_bytes = 1 << 20;

class sha1 {
public:
  sha1() { LARQL_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha1(), nullptr) == 1); }
  void update(std::span<const std::byte> bytes) {
    LARQL_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  std::array<std::byte, 20> finish() {
    auto out = std::array<std::byte, 20>{};
    LARQL_CHECK(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()),
                                   nullptr) == 1);
    return out;
  }

private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free};
};

// Both hashes at once.
class namer {
public:
  explicit namer(std::uint64_t bytes) {
    names_.bytes = bytes;
    const auto head = fmt::format("blob {}", bytes);
    of_blob_.update(std::as_bytes(std::span{head.c_str(), head.size() + 1})); // with the zero
  }
  void update(std::span<const std::byte> bytes) {
    of_content_.update(bytes);
    of_blob_.update(bytes);
  }
  file_names finish() {
    names_.sha256 = to_hex(of_content_.finish());
    names_.git_blob = to_hex(of_blob_.finish());
    return names_;
  }

private:
  file_names names_;
  sha256 of_content_;
  sha1 of_blob_;
};

} // namespace

result<file_names> name_file(const std::filesystem::path& path,
                             const std::function<bool(std::uint64_t)>& on_read) {
  LARQL_TRY(const auto in, file::open(path));
  in.advise(access_pattern::sequential);
  auto names = namer{in.size_bytes()};
  auto buffer = std::vector<std::byte>(chunk_bytes);
  for (auto at = std::uint64_t{0}; at < in.size_bytes();) {
    const auto step = std::span{buffer}.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, in.size_bytes() - at)));
    LARQL_TRY_VOID(in.read(at, step));
    names.update(step);
    at += step.size();
    if (on_read && !on_read(at))
      return fail(errc::cancelled, "stopped");
  }
  return names.finish();
}

file_names name_bytes(std::span<const std::byte> bytes) {
  auto names = namer{bytes.size()};
  names.update(bytes);
  return names.finish();
}

} // namespace larql::hub

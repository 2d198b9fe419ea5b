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

} // namespace

result<file_names> name_file(const std::filesystem::path& path,
                             const std::function<bool(std::uint64_t)>& on_read) {
  LARQL_TRY(const auto in, file::open(path));
  in.advise(access_pattern::sequential);
  auto out = file_names{};
  out.bytes = in.size_bytes();
  auto of_content = sha256{};
  auto of_blob = sha1{};
  const auto head = fmt::format("blob {}", out.bytes);
  of_blob.update(std::as_bytes(std::span{head.c_str(), head.size() + 1})); // with the zero
  auto buffer = std::vector<std::byte>(chunk_bytes);
  for (auto at = std::uint64_t{0}; at < out.bytes;) {
    const auto step = std::span{buffer}.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, out.bytes - at)));
    LARQL_TRY_VOID(in.read(at, step));
    of_content.update(step);
    of_blob.update(step);
    at += step.size();
    if (on_read && !on_read(at))
      return fail(errc::cancelled, "stopped");
  }
  out.sha256 = to_hex(of_content.finish());
  out.git_blob = to_hex(of_blob.finish());
  return out;
}

} // namespace larql::hub

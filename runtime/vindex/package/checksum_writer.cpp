#include "runtime/vindex/package/checksum_writer.hpp"

#include <algorithm>
#include <array>

namespace larql::vindex {

namespace {

constexpr std::size_t worth_threads_bytes = 256 << 10; // below, waking a thread costs more

} // namespace

result<checksum_writer> checksum_writer::create(const std::filesystem::path& path,
                                                compute_pool& pool) {
  LARQL_TRY(auto out, file_writer::create(path));
  return checksum_writer{std::move(out), pool};
}

result<void> checksum_writer::write(std::span<const std::byte> bytes) {
  auto written = result<void>{};
  const auto step = [&](std::size_t i) {
    if (i == 0)
      written = out_.write(bytes);
    else
      (i == 1 ? whole_ : part_).update(bytes);
  };
  if (bytes.size() < worth_threads_bytes)
    for (auto i = std::size_t{0}; i < 3; ++i)
      step(i);
  else
    pool_->parallel_for(3, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (auto i = begin; i < end; ++i)
        step(i);
    });
  return written;
}

result<void> checksum_writer::skip(std::uint64_t bytes) {
  static constexpr auto zeros = std::array<std::byte, 64 << 10>{};
  LARQL_TRY_VOID(out_.skip(bytes));
  for (; bytes > 0; bytes -= std::min<std::uint64_t>(bytes, zeros.size()))
    whole_.update(std::span{zeros}.first(std::min<std::uint64_t>(bytes, zeros.size())));
  return {};
}

sha256_digest checksum_writer::end_part() {
  const auto digest = part_.finish();
  part_ = sha256{};
  return digest;
}

file_checksum checksum_writer::sum() {
  return {out_.size_bytes(), whole_.finish()};
}

} // namespace larql::vindex

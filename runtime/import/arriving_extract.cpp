#include "runtime/import/arriving_extract.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/import/write_piece.hpp"
#include "runtime/import/write_texts.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace larql::import {

namespace {

constexpr std::uint64_t chunk_bytes = 8 << 20; // of output, converted and written at a time

} // namespace

std::uint64_t arriving_extract::job::rows_before(std::uint64_t at) const noexcept {
  return at <= begin ? 0 : std::min((at - begin) / row_bytes, rows->rows);
}

arriving_extract::arriving_extract(const extract_plan& plan, std::filesystem::path dir,
                                   compute_pool& pool)
    : plan_(plan), dir_(std::move(dir)), pool_(pool) {
  for (auto f = std::size_t{0}; f < plan_.files.size(); ++f) {
    auto at = std::uint64_t{plan_.files[f].head.size()};
    for (const auto& p : plan_.files[f].pieces) {
      const auto row = quant::row_bytes(p.tensor->format, p.tensor->cols());
      if (jobs_.size() <= p.tensor->part)
        jobs_.resize(p.tensor->part + 1);
      jobs_[p.tensor->part].push_back({&p, f, at, p.tensor->offset + p.first_row * row, row});
      at += p.bytes();
    }
  }
}

arriving_extract::~arriving_extract() {
  for (const auto fd : outputs_)
    ::close(fd);
}

std::uint64_t arriving_extract::total_bytes() const noexcept {
  auto sum = std::uint64_t{0};
  for (const auto& f : plan_.files)
    sum += f.bytes();
  return sum;
}

result<void> arriving_extract::open() {
  for (const auto& f : plan_.files) {
    const auto path = dir_ / f.name;
    LARQL_TRY_VOID(make_directories(path.parent_path()));
    const auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
      return fail(errc::io, "{}: open: {}", path.string(), errno_text(errno));
    outputs_.push_back(fd);
    if (::ftruncate(fd, static_cast<off_t>(f.bytes())) != 0)
      return fail(errc::io, "{}: set the size: {}", path.string(), errno_text(errno));
    LARQL_TRY_VOID(write(outputs_.size() - 1, 0, f.head));
  }
  return {};
}

result<void> arriving_extract::take(std::uint32_t part, interval bytes) {
  if (part >= jobs_.size())
    return {};
  for (const auto& j : jobs_[part])
    LARQL_TRY_VOID(convert(j, j.rows_before(bytes.begin), j.rows_before(bytes.end)));
  return {};
}

result<void> arriving_extract::convert(const job& j, std::uint64_t first, std::uint64_t last) {
  const auto out_bytes = j.rows->to.row_bytes();
  const auto step = std::max<std::uint64_t>(chunk_bytes / out_bytes, 1);
  for (auto row = first; row < last; row += step) {
    const auto end = std::min(row + step, last);
    buffer_.resize((end - row) * out_bytes);
    LARQL_TRY_VOID(convert_piece(*j.rows, row, end, buffer_, pool_));
    LARQL_TRY_VOID(write(j.file, j.offset + row * out_bytes, buffer_));
    release_pages(j.rows->tensor->data.subspan((j.rows->first_row + row) * j.row_bytes,
                                               (end - row) * j.row_bytes));
  }
  return {};
}

std::uint64_t arriving_extract::needed_from(std::uint32_t part, std::uint64_t end) const {
  auto out = end;
  if (part < jobs_.size())
    for (const auto& j : jobs_[part])
      if (j.begin < end && end < j.end())
        out = std::min(out, j.begin + j.rows_before(end) * j.row_bytes);
  return out;
}

result<void> arriving_extract::write(std::size_t file, std::uint64_t offset,
                                     std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto n = ::pwrite(outputs_[file], bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return fail(errc::io, "{}: write at offset {}: {}", (dir_ / plan_.files[file].name).string(),
                  offset, n == 0 ? "disk full" : errno_text(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

result<void> arriving_extract::sync() {
  for (auto f = std::size_t{0}; f < outputs_.size(); ++f)
    if (::fdatasync(outputs_[f]) != 0)
      return fail(errc::io, "{}: fdatasync: {}", (dir_ / plan_.files[f].name).string(),
                  errno_text(errno));
  return {};
}

result<void> arriving_extract::finish(const vindex::jobs_progress& on_hashed) {
  LARQL_TRY_VOID(sync());
  // Of each file the whole, then, of a layer file, its experts.
  auto jobs = std::vector<vindex::hash_job>{};
  for (const auto& f : plan_.files) {
    jobs.push_back({dir_ / f.name, {}});
    if (!f.layer)
      continue;
    const auto each = f.pieces.size() / f.experts;
    auto at = std::uint64_t{f.head.size()};
    for (auto e = 0u; e < f.experts; ++e) {
      auto bytes = std::uint64_t{0};
      for (auto i = e * each; i < (e + 1) * each; ++i)
        bytes += f.pieces[i].bytes();
      jobs.push_back({dir_ / f.name, {{at, bytes}}});
      at += bytes;
    }
  }
  const auto digests = vindex::hash_all(jobs, pool_, on_hashed);
  auto sums = vindex::checksums{};
  auto next = digests.begin();
  for (const auto& f : plan_.files) {
    LARQL_TRY(const auto whole, *next++);
    sums.files[f.name] = {f.bytes(), whole};
    if (!f.layer)
      continue;
    auto& layer = sums.layers[*f.layer];
    layer = {hash_bytes(f.head), {}};
    for (auto e = 0u; e < f.experts; ++e) {
      LARQL_TRY(const auto digest, *next++);
      layer.experts.emplace_back(digest);
    }
  }
  return write_texts(plan_, dir_, sums);
}

} // namespace larql::import

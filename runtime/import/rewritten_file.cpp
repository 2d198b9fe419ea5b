#include "runtime/import/rewritten_file.hpp"

#include "runtime/base/disk_space.hpp"
#include "runtime/base/file_lock.hpp"
#include "runtime/base/held_bytes.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace larql::import {

namespace {

namespace fs = std::filesystem;

using namespace std::chrono_literals;

constexpr std::uint64_t chunk_bytes = 8 << 20;   // converted and written at a time
constexpr std::uint64_t synced_bytes = 64 << 20; // what a kill may cost
constexpr std::uint64_t spare_bytes = 64 << 20;
constexpr auto poll = 50ms;

failure stopped() {
  return fail(errc::cancelled, "stopped; the same command goes on from here");
}

/// The file, open and locked.
class writer {
public:
  explicit writer(const fs::path& path) : path_(path) {}
  ~writer() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  writer(const writer&) = delete;

  result<void> open(const std::stop_token& stop) {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd_ < 0)
      return fail(errc::io, "{}: open: {}", path_.string(), errno_text(errno));
    for (;;) {
      LARQL_TRY(const auto locked, try_lock(fd_, path_));
      if (locked)
        break;
      if (stop.stop_requested())
        return stopped();
      std::this_thread::sleep_for(poll);
    }
    auto error = std::error_code{};
    LARQL_TRY(auto list, held_writer::open(path_, fs::file_size(path_, error)));
    list_.emplace(std::move(list));
    return {};
  }

  [[nodiscard]] const interval_set& held() const { return list_->held(); }

  result<void> write(std::uint64_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return fail(errc::io, "{}: write at offset {}: {}", path_.string(), offset,
                    n == 0 ? "disk full" : errno_text(errno));
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return {};
  }

  // A whole piece was written; it counts when it is on disk.
  result<void> finished(interval i) {
    pending_.add(i);
    return pending_.bytes() >= synced_bytes ? sync() : result<void>{};
  }

  result<void> sync() {
    if (pending_.empty())
      return {};
    if (::fdatasync(fd_) != 0)
      return fail(errc::io, "{}: fdatasync: {}", path_.string(), errno_text(errno));
    for (const auto i : pending_.intervals())
      LARQL_TRY_VOID(list_->add(i));
    pending_ = {};
    return {};
  }

private:
  const fs::path& path_;
  int fd_ = -1;
  std::optional<held_writer> list_;
  interval_set pending_;
};

interval bytes_of(const rewritten_piece& p) {
  return {p.offset, p.offset + p.rows.bytes()};
}

void remove_held(std::vector<rewritten_piece>& pieces, const interval_set& held) {
  std::erase_if(pieces,
                [&](const rewritten_piece& p) { return held.contains(interval_set{bytes_of(p)}); });
}

} // namespace

result<void> create_rewritten_file(const fs::path& path, std::uint64_t bytes) {
  const auto fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0)
    return fail(errc::io, "{}: create: {}", path.string(), errno_text(errno));
  const auto sized = ::ftruncate(fd, static_cast<off_t>(bytes)) == 0;
  const auto code = errno;
  ::close(fd);
  if (!sized)
    return fail(errc::io, "{}: ftruncate: {}", path.string(), errno_text(code));
  const auto list = held_writer::open(path, bytes);
  return list ? result<void>{} : list.error();
}

result<std::vector<rewritten_piece>> missing_pieces(const fs::path& path,
                                                    const std::vector<rewritten_piece>& pieces) {
  auto out = pieces;
  if (out.empty())
    return out;
  LARQL_TRY(const auto held, read_held(path));
  remove_held(out, held ? *held : interval_set{});
  return out;
}

result<void> convert_piece(const piece& p, std::uint64_t begin, std::uint64_t end,
                           std::span<std::byte> out, compute_pool& pool) {
  const auto row_bytes = p.to.row_bytes();
  const auto first = p.first_row + begin;
  auto converted = std::atomic<bool>{true};
  pool.parallel_for(end - begin, 16, [&](std::size_t a, std::size_t b, unsigned) {
    if (!convert_rows(*p.tensor, first + a, first + b, p.to,
                      out.subspan(a * row_bytes, (b - a) * row_bytes), p.scale))
      converted.store(false, std::memory_order_relaxed);
  });
  if (converted.load())
    return {};
  return fail(errc::corrupt,
              "tensor {}: rows {} to {} hold a number that is NaN, infinite or too large for {}",
              p.tensor->name, first, first + (end - begin) - 1, quant::name_of(p.to.format));
}

result<void> write_pieces(const fs::path& path, std::vector<rewritten_piece> pieces,
                          compute_pool& pool, const rewrite_options& options) {
  auto out = writer{path};
  LARQL_TRY_VOID(out.open(options.stop));
  remove_held(pieces, out.held());
  auto total = std::uint64_t{0}, done = std::uint64_t{0};
  for (const auto& p : pieces)
    total += p.rows.bytes();
  if (total == 0)
    return {};
  LARQL_TRY_VOID(check_free_space(path, total + spare_bytes));
  auto buffer = std::vector<std::byte>{};
  for (const auto& p : pieces) {
    const auto row_bytes = p.rows.to.row_bytes();
    const auto step = std::max<std::uint64_t>(chunk_bytes / row_bytes, 1);
    for (auto row = std::uint64_t{0}; row < p.rows.rows; row += step) {
      const auto end = std::min(row + step, p.rows.rows);
      buffer.resize((end - row) * row_bytes);
      LARQL_TRY_VOID(convert_piece(p.rows, row, end, buffer, pool));
      LARQL_TRY_VOID(out.write(p.offset + row * row_bytes, buffer));
      const auto& t = *p.rows.tensor;
      const auto in_bytes = quant::row_bytes(t.format, t.cols());
      release_pages(t.data.subspan((p.rows.first_row + row) * in_bytes, (end - row) * in_bytes));
      done += buffer.size();
      if (options.on_progress)
        options.on_progress(done, total);
      if (options.stop.stop_requested()) {
        LARQL_TRY_VOID(out.sync());
        return stopped();
      }
    }
    LARQL_TRY_VOID(out.finished(bytes_of(p)));
  }
  return out.sync();
}

} // namespace larql::import

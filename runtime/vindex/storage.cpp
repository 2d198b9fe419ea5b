#include "runtime/vindex/storage.hpp"

#include "runtime/base/held_bytes.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <string>

namespace larql::vindex {

result<stored_file::piece> stored_file::piece_at(std::uint64_t offset) const {
  const auto& sources = *sources_;
  if (runs_.empty())
    return piece{&sources.front(), offset, size_ - offset};
  for (const auto& r : runs_) {
    if (offset < r.at)
      continue;
    const auto i = r.count == 1 ? 0 : std::min((offset - r.at) / r.at_step, r.count - 1);
    const auto within = offset - r.at - i * r.at_step;
    if (within < r.bytes)
      return piece{&sources[r.file], r.offset + i * r.offset_step + within, r.bytes - within};
  }
  return fail(errc::corrupt, "{}: byte {} lies nowhere", path_.string(), offset);
}

result<void> stored_file::check_held(const piece& p, std::uint64_t bytes) const {
  if (!p.in->held || p.in->held->contains(interval_set{interval{p.offset, p.offset + bytes}}))
    return {};
  return fail(errc::mismatch,
              "{}: bytes {} to {} of {} are not there: it holds a part of the model only",
              path_.string(), p.offset, p.offset + bytes, p.in->in->path().string());
}

result<file_part> stored_file::find(std::uint64_t offset, std::uint64_t bytes) const {
  if (offset > size_ || bytes > size_ - offset)
    return fail(errc::corrupt, "{}: truncated: {} bytes at offset {} wanted, file has {} bytes",
                path_.string(), bytes, offset, size_);
  if (bytes == 0)
    return file_part{sources_->front().in, 0, 0};
  LARQL_TRY(const auto p, piece_at(offset));
  if (p.bytes < bytes)
    return fail(errc::corrupt, "{}: {} bytes at offset {} do not lie in one piece", path_.string(),
                bytes, offset);
  LARQL_TRY_VOID(check_held(p, bytes));
  return file_part{p.in->in, p.offset, bytes};
}

result<void> stored_file::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset)
    return fail(errc::corrupt, "{}: truncated: {} bytes at offset {} wanted, file has {} bytes",
                path_.string(), out.size(), offset, size_);
  while (!out.empty()) {
    LARQL_TRY(const auto p, piece_at(offset));
    const auto n = std::min<std::uint64_t>(p.bytes, out.size());
    LARQL_TRY_VOID(check_held(p, n));
    LARQL_TRY_VOID(p.in->in->read(p.offset, out.first(n)));
    out = out.subspan(n);
    offset += n;
  }
  return {};
}

void stored_file::advise(access_pattern pattern) const noexcept {
  if (is_whole())
    sources_->front().in->advise(pattern);
}

result<storage> storage::open(const std::filesystem::path& dir) {
  auto out = storage{dir};
  LARQL_TRY(out.where_, read_locations(dir));
  if (out.where_)
    LARQL_TRY_VOID(out.open_sources());
  return out;
}

result<void> storage::open_sources() {
  auto sources = std::make_shared<std::vector<stored_file::source>>();
  for (const auto& f : where_->files) {
    LARQL_TRY(auto in, file::open(f.stamp ? f.path : dir_ / f.path));
    if (f.stamp && !f.is_same(in.stamp()))
      return fail(errc::mismatch,
                  "{}: was changed since {} was made of it; name the file itself, and it is looked "
                  "at anew",
                  f.path.string(), dir_.string());
    LARQL_TRY(auto held, read_held(in.path()));
    sources->push_back({std::make_shared<const file>(std::move(in)), std::move(held)});
  }
  // Pieces of files with a stamp were compared with its size.
  for (const auto& [name, stored] : where_->stored)
    for (const auto& r : stored.runs) {
      const auto size = (*sources)[r.file].in->size_bytes();
      if (r.offset + (r.count - 1) * r.offset_step + r.bytes > size)
        return fail(errc::corrupt, "{}: truncated: {} has pieces behind its {} bytes",
                    (*sources)[r.file].in->path().string(), name, size);
    }
  sources_ = std::move(sources);
  return {};
}

result<bool> storage::has(std::string_view name) const {
  if (where_ && where_->stored.contains(std::string{name}))
    return true;
  return path_exists(dir_ / name);
}

result<stored_file> storage::open_file(std::string_view name) const {
  auto out = stored_file{};
  out.path_ = dir_ / name;
  if (where_)
    if (const auto it = where_->stored.find(std::string{name}); it != where_->stored.end()) {
      if (it->second.runs.empty())
        return fail(errc::corrupt, "{}: {} has no pieces", (dir_ / locations_file).string(), name);
      out.size_ = it->second.bytes;
      out.runs_ = it->second.runs;
      out.sources_ = sources_;
      return out;
    }
  LARQL_TRY(auto in, file::open(out.path_));
  out.size_ = in.size_bytes();
  auto sources = std::make_shared<std::vector<stored_file::source>>();
  sources->push_back({std::make_shared<const file>(std::move(in)), std::nullopt});
  out.sources_ = std::move(sources);
  return out;
}

} // namespace larql::vindex

#include "tests/support/page_cache.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace larql::test {

std::uint64_t page_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::vector<bool> resident_pages(const std::filesystem::path& path) {
  const auto bytes = std::filesystem::file_size(path);
  if (bytes == 0)
    return {};
  const auto fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  LARQL_CHECK(fd >= 0);
  void* base = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  LARQL_CHECK(base != MAP_FAILED);
  auto flags = std::vector<unsigned char>((bytes + page_bytes() - 1) / page_bytes());
  LARQL_CHECK(::mincore(base, bytes, flags.data()) == 0);
  ::munmap(base, bytes);
  auto out = std::vector<bool>(flags.size());
  std::transform(flags.begin(), flags.end(), out.begin(),
                 [](unsigned char f) { return (f & 1) != 0; });
  return out;
}

std::uint64_t count_resident(const std::filesystem::path& path) {
  const auto pages = resident_pages(path);
  return static_cast<std::uint64_t>(std::count(pages.begin(), pages.end(), true));
}

bool drop_pages(const std::filesystem::path& path) {
  const auto fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  LARQL_CHECK(fd >= 0);
  ::fsync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
  return count_resident(path) == 0;
}

std::uint64_t mapped_resident_bytes(const std::filesystem::path& path) {
  const auto name = std::filesystem::canonical(path).string();
  auto in = std::ifstream{"/proc/self/smaps"};
  auto total = std::uint64_t{0};
  auto ours = false;
  for (auto line = std::string{}; std::getline(in, line);) {
    if (line.find('-') < line.find(' ')) // "7f00-7f10 r--s 0000 fe:00 123   /path"
      ours = line.ends_with(name);
    else if (ours && line.starts_with("Rss:")) {
      auto kilobytes = std::uint64_t{0};
      std::istringstream{line.substr(4)} >> kilobytes;
      total += kilobytes * 1024;
    }
  }
  return total;
}

} // namespace larql::test

#include "tests/support/temporary_directory.hpp"

#include "runtime/base/check.hpp"

#include <cstdlib>
#include <string>
#include <utility>

namespace larql::test {

namespace fs = std::filesystem;

temporary_directory::temporary_directory() {
  auto name = (fs::temp_directory_path() / "larql-test-XXXXXX").string();
  LARQL_CHECK(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

temporary_directory::temporary_directory(temporary_directory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

temporary_directory& temporary_directory::operator=(temporary_directory&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

temporary_directory::~temporary_directory() {
  auto ignored = std::error_code{};
  if (!path_.empty())
    fs::remove_all(path_, ignored);
}

} // namespace larql::test

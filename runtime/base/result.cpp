#include "runtime/base/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace larql {

const char* to_string(errc code) noexcept {
  switch (code) {
  case errc::usage: return "usage";
  case errc::not_found: return "not found";
  case errc::io: return "i/o";
  case errc::corrupt: return "corrupt";
  case errc::unsupported: return "unsupported";
  case errc::mismatch: return "mismatch";
  case errc::unavailable: return "unavailable";
  case errc::deadline: return "deadline";
  case errc::cancelled: return "cancelled";
  case errc::internal: return "internal";
  }
  return "unknown";
}

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

} // namespace larql

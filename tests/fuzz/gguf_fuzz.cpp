// Fuzz target: a GGUF file from strangers, through everything that `larql extract` does with it
// before the first byte is written, and a row of each tensor taken apart.

#include "runtime/import/extract_plan.hpp"
#include "runtime/import/gguf.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/gguf_tokenizer.hpp"
#include "runtime/vindex/format.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace larql::import {
namespace {

// A file without a name; opening a checkpoint takes a path.
class memory_file {
public:
  memory_file() : fd_(::memfd_create("gguf_fuzz", 0)) { LARQL_CHECK(fd_ >= 0); }

  std::filesystem::path with(std::span<const std::byte> bytes) const {
    LARQL_CHECK(::ftruncate(fd_, 0) == 0);
    LARQL_CHECK(::pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return fmt::format("/proc/self/fd/{}", fd_);
  }

private:
  int fd_;
};

void read_metadata(const gguf_head& head) {
  const auto m = gguf_metadata{head, "file"};
  for (const auto& [key, value] : head.metadata) {
    (void) m.unsigned_integer(key);
    (void) m.number(key);
    (void) m.boolean(key);
    (void) m.string(key);
    (void) m.strings(key);
    (void) m.integers(key);
  }
  (void) tokenizer_files(m, vindex::max_vocab);
}

void plan(const checkpoint& source) {
  for (const auto quant : {vindex::quant_kind::lossless, vindex::quant_kind::q4k})
    if (const auto made = plan_extract(source, quant))
      for (const auto& f : made->files)
        for (const auto& p : f.pieces) {
          LARQL_CHECK(p.first_row + p.rows <= p.tensor->rows());
          LARQL_CHECK(p.tensor->data.size() ==
                      p.tensor->rows() * quant::row_bytes(p.tensor->format, p.tensor->cols()));
        }
}

// Whatever a block's bytes are, it comes apart.
void decode(const checkpoint& source) {
  for (const auto& [key, t] : source.tensors) {
    if (t.rows() == 0 || t.cols() > vindex::max_width)
      continue;
    auto row = std::vector<float>(t.cols());
    const auto to = target{quant::encoding::f32, static_cast<std::uint32_t>(t.cols())};
    (void) convert_rows(t, 0, 1, to, std::as_writable_bytes(std::span{row}));
  }
}

void run(std::span<const std::byte> bytes) {
  if (const auto head = parse_gguf(bytes, "file"))
    read_metadata(*head);
  static const auto file = memory_file{};
  if (const auto source = open_gguf(file.with(bytes)))
    plan(*source), decode(*source);
}

} // namespace
} // namespace larql::import

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::import::run(std::as_bytes(std::span{data, size}));
  return 0;
}

// Fuzz target: files of cached prompts from strangers. The digests are put right, so that what they
// cover is looked at.

#include "runtime/base/bytes.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/generate/prompt_file.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

namespace {

using namespace larql;
using bytes = std::vector<std::byte>;

struct bench {
  test::tiny_vindex vindex;
  std::unique_ptr<test::running_model> model = *test::running_model::open(vindex.path());
  test::temporary_directory dir;
};

void append_digest(bytes& to, std::span<const std::byte> of) {
  auto h = sha256{};
  h.update(of);
  const auto digest = h.finish();
  to.insert(to.end(), digest.begin(), digest.end());
}

// Where the file says that its beginning ends, if that is inside.
std::size_t head_of(std::span<const std::byte> data) {
  if (data.size() < 84)
    return data.size();
  const auto said = 84 + std::uint64_t{load_u32(data, 8)} * 16 +
                    std::uint64_t{load_u32(data, 12)} * 4 + std::uint64_t{load_u32(data, 80)} * 8;
  return static_cast<std::size_t>(std::min<std::uint64_t>(said, data.size()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static auto b = bench{};
  const auto data = std::as_bytes(std::span{input, size});
  const auto head = data.first(head_of(data)), payload = data.subspan(head.size());
  auto all = bytes{head.begin(), head.end()};
  append_digest(all, head);
  all.insert(all.end(), payload.begin(), payload.end());
  append_digest(all, payload);
  const auto path = b.dir / "x.prompt";
  auto out = file_writer::create(path, file_access::owner_only);
  LARQL_CHECK(out && out->write(all) && out->commit());
  const auto said = generate::read_prompt_head(path);
  if (!said)
    LARQL_CHECK(said.error().text.starts_with(path.string()));
  const auto s = b.model->new_sequence();
  const auto done =
      generate::read_prompt_file(path, said ? said->id : generate::prompt_file_id{}, *s);
  LARQL_CHECK(static_cast<bool>(done) == (s->size() != 0));
  return 0;
}

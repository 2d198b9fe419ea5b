#include "runtime/import/write_texts.hpp"

#include "runtime/base/file_hash.hpp"
#include "runtime/base/file_writer.hpp"

namespace larql::import {

result<void> write_texts(const extract_plan& plan, const std::filesystem::path& dir,
                         vindex::checksums& sums) {
  for (const auto& t : plan.texts) {
    LARQL_TRY_VOID(write_text_file(dir / t.name, t.content));
    sums.files[t.name] = {t.content.size(), hash_bytes(std::as_bytes(std::span{t.content}))};
  }
  return vindex::save_checksums(dir, sums);
}

} // namespace larql::import

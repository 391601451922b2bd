"""The parts together, on real disks, processes and servers.

Which faults are brought about, and where it is looked at what comes of them:

- E1, SIGKILL at points and random moments. Fetch, publish, a version: `test_killed_transfers.py`. Commit,
  place, move, export, evict, collect, mend: `test_cache_processes.py`. What gc sweeps: `test_gc.py`.
- E2, going on afterwards, the bytes counted by the server: `test_resuming.py`; after a SIGINT:
  `test_interrupting.py`.
- E3, 8 processes of 4 threads, cold, the same artifact, each byte once: `test_cold_together.py`.
- E4, a lock that lies: `test_cold_together.py`.
- E5, changed, cut, swapped and lost files, damaged databases: `test_corruption.py`, `test_damage.py`,
  `test_sqlite_database.py`, `test_journal_file.py`.
- E6, a full disk, a file that may not grow: `test_full_disks.py`, `test_disk_cache_limits.py`.
- E7, drops, the whole for a part, 429, bursts of 5xx, stalls, wrong lengths, HTML, 401 midway:
  `test_transfer_faults.py`, `test_proxy_store.py`; of metadata: `test_mlflow_faults.py`.
- E8, no socket offline: `test_offline_sockets.py`.
- E9, another disk, no links, caches that cannot be written, other users: `test_placing_on_disk.py`,
  `test_disk_cache_limits.py`, `test_shared_caches.py`.
- E10, hostile listings: `test_mlflow_hostile.py`, and `hostile` in the contract of each store.
- E11, a refresh or an eviction beside a reader: `test_eviction_races.py`, `test_concurrent_refresh.py`,
  `test_cache_processes.py`, `test_gc.py`.
- E12, ten thousand files: `test_many_files.py`; a search in a large cache:
  `test_search_in_a_large_cache.py`.
- E13, what a plan says is what is counted: `test_many_files.py`, `test_request_counts.py`,
  `test_execution_is_simulation.py`.
"""

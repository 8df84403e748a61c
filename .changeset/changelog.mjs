// How a note becomes a line of a changelog: as changesets itself does it, without the lines that say which other
// packages of ours were raised, because all of them are, always.
import changelog from "@changesets/cli/changelog"

export default { ...changelog, getDependencyReleaseLine: () => "" }

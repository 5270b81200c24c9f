using Cdp.Identity;
using Cdp.Profiles;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>Something that one transaction decided about who is who. Everything else the workers write only carries decisions out.</summary>
internal abstract record Decision(ProfileId Profile)
{
    /// <summary>Events were taken into a profile, which may have listed more identifiers with them.</summary>
    internal sealed record Commit(ProfileId Profile, IReadOnlyList<TakenEvent> Events, IReadOnlyList<Identifier> Listed) : Decision(Profile);

    /// <summary>Identifiers were listed by a profile, without an event.</summary>
    internal sealed record List(ProfileId Profile, IReadOnlyList<Identifier> Listed) : Decision(Profile);

    /// <summary>A profile keeps room for the identifiers of another one that it is about to absorb.</summary>
    internal sealed record Reserve(ProfileId Profile, ProfileId Loser, IReadOnlyList<Identifier> Identifiers) : Decision(Profile);

    /// <summary>It will not absorb it after all.</summary>
    internal sealed record Unreserve(ProfileId Profile, ProfileId Loser) : Decision(Profile);

    /// <summary>Two people use the identifier: this profile gives it up, and it links nobody any more.</summary>
    internal sealed record Detach(ProfileId Profile, Identifier Identifier) : Decision(Profile);

    /// <summary>It was seen with too many others: it links nobody any more, and stays this profile's.</summary>
    internal sealed record Quarantine(ProfileId Profile, Identifier Identifier) : Decision(Profile);

    /// <summary>A profile is gone; all it has is the winner's.</summary>
    internal sealed record Fence(ProfileId Profile, ProfileId Winner) : Decision(Profile);

    /// <summary>The link that a message showed between this profile and another one, which has the identifier, is not taken.</summary>
    internal sealed record Refuse(ProfileId Profile, string MessageId, Identifier Identifier) : Decision(Profile);
}

/// <param name="Json">As it is stored.</param>
/// <param name="Dropped">Its identifiers that were left out of account.</param>
internal sealed record TakenEvent(string MessageId, string Json, IReadOnlyList<Identifier> Dropped);

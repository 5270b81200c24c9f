namespace Cdp.Segments;

/// <summary>The traits of a profile, as JSON texts. Computed traits are not among them: the engine knows these itself.</summary>
public interface IProfileTraits
{
    /// <summary>Empty where there is none, or where it was deleted.</summary>
    ReadOnlyMemory<byte> Find(string name);

    /// <summary>A trait of the profile's group, which conditions name <c>group.x</c>.</summary>
    ReadOnlyMemory<byte> FindOfGroup(string name);
}

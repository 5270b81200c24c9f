namespace Cdp.Identity;

/// <summary>One identifier of a person, normalised: a type such as <c>email</c> and its value.</summary>
public readonly record struct Identifier(string Type, string Value)
{
    public override string ToString() => Type + ":" + Value;
}

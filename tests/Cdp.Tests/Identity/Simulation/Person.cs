using Cdp.Identity;

namespace Cdp.Tests.Identity.Simulation;

/// <summary>Somebody with what they use to be known by.</summary>
internal sealed record Person(int Number, string? User, IReadOnlyList<string> Emails, string? Phone, IReadOnlyList<string> Devices)
{
    // The limit of anonymous ids per profile is 5: beyond it a person's devices cannot all be found.
    private const int MostDevices = 4;
    private const int MostEmails = 2;

    public static Person Draw(int number, Random random) => new(
        number,
        random.Next(10) < 7 ? $"u{number}" : null,
        [.. Enumerable.Range(0, random.Next(MostEmails + 1)).Select(i => $"person{number}.{i}@mail.test")],
        random.Next(2) == 0 ? $"+4917{number:D8}" : null,
        [.. Enumerable.Range(0, random.Next(1, MostDevices + 1)).Select(i => $"device-{number}-{i}")]);

    public string? AnyEmail(Random random) => Emails.Count == 0 ? null : Emails[random.Next(Emails.Count)];

    public string AnyDevice(Random random) => Devices[random.Next(Devices.Count)];

    public static Identifier UserId(string value) => new(IdentityRules.UserId, value);

    public static Identifier Email(string value) => new(IdentityRules.Email, value);

    public static Identifier PhoneNumber(string value) => new(IdentityRules.Phone, value);

    public static Identifier Device(string value) => new(IdentityRules.AnonymousId, value);
}
